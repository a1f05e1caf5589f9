/* A shared object for LD_PRELOAD that makes one system call or allocation of a whole command go
 * wrong. From the environment:
 *   FAULT_KIND   error     the N-th call on a file below FAULT_UNDER fails with EIO
 *                full      the N-th and every later call that needs room fails with ENOSPC
 *                readonly  the N-th and every later call that changes anything fails with EROFS
 *                kill      SIGKILL instead of the N-th call; a write is left half done
 *                memory    the N-th allocation that the program itself asks for fails
 *   FAULT_AT     N, from 1
 *   FAULT_UNDER  a folder, as an absolute path
 *   FAULT_MARK   a file that is made when the fault comes
 *   FAULT_CLOCK  seconds by which the wall clock jumps to and fro from call to call */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_FDS 1024

typedef enum fault_kind { NONE, ERROR, FULL, READONLY, KILL, MEMORY } fault_kind;
/* What a call does to the disk. */
typedef enum call_effect { READS, CHANGES, NEEDS_ROOM } call_effect;

static struct {
    bool ready;
    fault_kind kind;
    long at;
    char under[4096];
    size_t under_bytes;
    const char *mark;
    long clock_jump;
    atomic_long calls, clock_calls;
    atomic_bool watched[MAX_FDS];
} fault;

static void mark(void) {
    if (fault.mark == NULL) return;
    long fd = syscall(SYS_openat, AT_FDCWD, fault.mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0) syscall(SYS_close, fd);
}

__attribute__((constructor)) static void begin(void) {
    static const char *const names[] = {"", "error", "full", "readonly", "kill", "memory"};
    const char *kind = getenv("FAULT_KIND"), *at = getenv("FAULT_AT");
    const char *under = getenv("FAULT_UNDER"), *jump = getenv("FAULT_CLOCK");
    fault.mark = getenv("FAULT_MARK");
    fault.clock_jump = jump != NULL ? atol(jump) : 0;
    fault.at = at != NULL ? atol(at) : 0;
    if (under != NULL) snprintf(fault.under, sizeof fault.under, "%s", under);
    fault.under_bytes = strlen(fault.under);
    for (int k = 1; kind != NULL && k <= MEMORY; k++) {
        if (strcmp(kind, names[k]) == 0) fault.kind = (fault_kind)k;
    }
    fault.ready = true;
}

static bool below(const char *path) {
    return fault.ready && fault.under_bytes > 0 &&
           strncmp(path, fault.under, fault.under_bytes) == 0;
}

static bool watched(int fd) {
    return fault.ready && fd >= 0 && fd < MAX_FDS && atomic_load(&fault.watched[fd]);
}

static int watch(int fd, bool yes) {
    if (fd >= 0 && fd < MAX_FDS) atomic_store(&fault.watched[fd], yes);
    return fd;
}

static void die(void) {
    mark();
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Counts a call; true when it must fail, with errno set. KILL returns true for the caller to do
 * half of its work and die. */
static bool due(call_effect effect) {
    if (fault.kind == NONE || fault.kind == MEMORY) return false;
    long call = atomic_fetch_add(&fault.calls, 1) + 1;
    switch (fault.kind) {
    case ERROR:
        if (call != fault.at) return false;
        errno = EIO;
        break;
    case FULL:
        if (call < fault.at || effect != NEEDS_ROOM) return false;
        errno = ENOSPC;
        break;
    case READONLY:
        if (call < fault.at || effect == READS) return false;
        errno = EROFS;
        break;
    case KILL:
        return call == fault.at;
    default:
        return false;
    }
    int kept = errno;
    mark();
    errno = kept;
    return true;
}

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
/* A call that fails with `failed` when it is due. */
#define GUARD(watching, effect, failed)                                                            \
    if ((watching) && due(effect)) {                                                               \
        if (fault.kind == KILL) die();                                                             \
        return failed;                                                                             \
    }

/* ---- files ---- */

static call_effect open_effect(int flags) {
    if (flags & O_CREAT) return NEEDS_ROOM;
    return (flags & O_ACCMODE) == O_RDONLY ? READS : CHANGES;
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...) {                                                   \
        REAL(name);                                                                                \
        mode_t mode = 0;                                                                           \
        if (flags & O_CREAT) {                                                                     \
            va_list args;                                                                          \
            va_start(args, flags);                                                                 \
            mode = va_arg(args, mode_t);                                                           \
            va_end(args);                                                                          \
        }                                                                                          \
        bool ours = below(path);                                                                   \
        GUARD(ours, open_effect(flags), -1)                                                        \
        return watch(real(path, flags, mode), ours);                                               \
    }
OPEN(open)
OPEN(open64)

FILE *fopen(const char *path, const char *mode) {
    REAL(fopen);
    GUARD(below(path), mode[0] == 'r' ? READS : NEEDS_ROOM, NULL)
    return real(path, mode);
}

DIR *opendir(const char *path) {
    REAL(opendir);
    GUARD(below(path), READS, NULL)
    return real(path);
}

ssize_t write(int fd, const void *bytes, size_t n) {
    REAL(write);
    if (watched(fd) && due(NEEDS_ROOM)) {
        ssize_t half = real(fd, bytes, n / 2); /* some of it arrives */
        (void)half;
        if (fault.kind == KILL) die();
        errno = fault.kind == ERROR ? EIO : fault.kind == FULL ? ENOSPC : EROFS;
        return -1;
    }
    return real(fd, bytes, n);
}

ssize_t read(int fd, void *bytes, size_t n) {
    REAL(read);
    GUARD(watched(fd), READS, -1)
    return real(fd, bytes, n);
}

ssize_t pread(int fd, void *bytes, size_t n, off_t at) {
    REAL(pread);
    GUARD(watched(fd), READS, -1)
    return real(fd, bytes, n, at);
}

int fsync(int fd) {
    REAL(fsync);
    GUARD(watched(fd), NEEDS_ROOM, -1)
    return real(fd);
}

int ftruncate(int fd, off_t n) {
    REAL(ftruncate);
    GUARD(watched(fd), CHANGES, -1)
    return real(fd, n);
}

int close(int fd) {
    REAL(close);
    watch(fd, false);
    return real(fd);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    GUARD(below(to), NEEDS_ROOM, -1)
    return real(from, to);
}

int link(const char *from, const char *to) {
    REAL(link);
    GUARD(below(to), NEEDS_ROOM, -1)
    return real(from, to);
}

int unlink(const char *path) {
    REAL(unlink);
    GUARD(below(path), CHANGES, -1)
    return real(path);
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    GUARD(below(path), NEEDS_ROOM, -1)
    return real(path, mode);
}

/* ---- memory ---- */

/* Whether an address lies in the program itself and not in a library. */
static bool in_program(const void *address) {
    Dl_info info;
    if (!fault.ready || fault.kind != MEMORY) return false;
    return dladdr(address, &info) != 0 && info.dli_fname != NULL &&
           strcmp(info.dli_fname, program_invocation_name) == 0;
}

static bool memory_due(const void *caller) {
    if (!in_program(caller)) return false;
    if (atomic_fetch_add(&fault.calls, 1) + 1 != fault.at) return false;
    mark();
    errno = ENOMEM;
    return true;
}

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *block, size_t n);

void *malloc(size_t n) {
    return memory_due(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size) {
    return memory_due(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *block, size_t n) {
    return memory_due(__builtin_return_address(0)) ? NULL : __libc_realloc(block, n);
}

/* ---- the wall clock ---- */

static time_t jump(void) {
    if (fault.clock_jump == 0) return 0;
    return atomic_fetch_add(&fault.clock_calls, 1) % 2 == 0 ? fault.clock_jump : -fault.clock_jump;
}

time_t time(time_t *out) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    now.tv_sec += jump();
    if (out != NULL) *out = now.tv_sec;
    return now.tv_sec;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    int result = (int)syscall(SYS_clock_gettime, clock, out);
    if (clock == CLOCK_REALTIME) out->tv_sec += jump();
    return result;
}
