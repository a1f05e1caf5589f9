/* Threads that help one thread with its loops. */
#ifndef CW_BASE_HELPERS_H
#define CW_BASE_HELPERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#define CW_MOST_HELPERS 127

/* Handles what is left of a job until nothing is; several threads may do so at once. */
typedef void (*cw_work_fn)(void *context);

/* Owned by the thread that calls cw_helpers_start. Fields are for helpers.c alone. */
typedef struct cw_helpers {
    int n; /* threads started */
    pthread_t thread[CW_MOST_HELPERS];
    cw_work_fn work;
    void *context;
    /* The job's number, whether it may still be entered, how many are inside. */
    _Alignas(64) atomic_uint_least64_t gate;
    atomic_int asleep;      /* helpers that must be woken for a job */
    atomic_int owner_waits; /* 1: the owner must be woken by the last one to leave */
    atomic_int rest;        /* 1: nobody is to look out for jobs */
    pthread_mutex_t mutex;  /* of going to sleep */
    pthread_cond_t called, left;
} cw_helpers;

/* Starts `n` threads, or as many as the system lets it have. They sleep until there is work, and
 * take the calling thread's signal mask. Returns how many: h->n. */
int cw_helpers_start(cw_helpers *h, int n);

/* Ends them. Nothing happens where there are none. */
void cw_helpers_stop(cw_helpers *h);

/* Calls work(context) here and in every helper that comes in time, and returns when all of these
 * calls have returned. A helper that is still on its way when nothing is left is not waited for:
 * that is what short jobs, and busy machines, would spend most of their time on. Called by the
 * owner only, not from inside of work. */
void cw_helpers_run(cw_helpers *h, cw_work_fn work, void *context);

/* Helpers that look out for the next job go to sleep: the cores are wanted by other threads. */
void cw_helpers_rest(cw_helpers *h);

/* Which helper of its owner this thread is, from 1; 0 in a thread that is none. */
int cw_helpers_self(void);

#endif
