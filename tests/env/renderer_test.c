/* Renderers: choice, absence, threads. libmujoco allows one renderer per process, so each case runs
 * in a child process; the parent never touches OpenGL. */
#include "env/support.h"
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define IMAGE 64
#define BYTES (3 * IMAGE * IMAGE)
#define MANY  12

/* Filled by the children. */
static struct shared {
    uint8_t frame[4][MANY][BYTES];
    char text[4][1024];
    cw_status status[4];
} * shared;

static void run_child(void (*body)(void)) {
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        body();
        _exit(0);
    }
    int status;
    assert_true(waitpid(pid, &status, 0) == pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("the child failed: %d", status);
}

static cw_status create(cw_renderer renderer, cw_env *env) {
    const cw_task *task;
    cw_env_options options = {.seed = 6, .image_size = IMAGE, .camera = -1, .renderer = renderer};
    if (cw_task_find("cartpole-swingup", &task) != CW_OK) _exit(9);
    return cw_env_create(task, &options, env);
}

/* Creates, draws MANY frames of one episode and describes into slot i; or the error. */
static void *draw_episode(cw_env *env, int slot) {
    double action[1] = {0.7};
    cw_env_step step;
    if (env->vtable->reset(env->self) != CW_OK) _exit(2);
    for (int t = 0; t < MANY; t++) {
        if (env->vtable->render(env->self, shared->frame[slot][t]) != CW_OK) {
            fprintf(stderr, "%s\n", cw_last_error());
            _exit(3);
        }
        for (int k = 0; k < 8; k++)
            if (env->vtable->step(env->self, action, &step) != CW_OK) _exit(4);
    }
    return NULL;
}

static void draw(cw_renderer renderer, int slot) {
    cw_env env;
    shared->status[slot] = create(renderer, &env);
    if (shared->status[slot] != CW_OK) {
        snprintf(shared->text[slot], sizeof shared->text[slot], "%s", cw_last_error());
        return;
    }
    cw_env_renderer_describe(&env, shared->text[slot], sizeof shared->text[slot]);
    draw_episode(&env, slot);
    env.vtable->destroy(env.self);
}

static void clear(void) {
    memset(shared, 0, sizeof *shared);
}

static void has(int slot, const char *part) {
    if (!strstr(shared->text[slot], part))
        fail_msg("\"%s\" lacks \"%s\"", shared->text[slot], part);
}

static void same_frames(int a, int b) {
    for (int t = 0; t < MANY; t++)
        if (memcmp(shared->frame[a][t], shared->frame[b][t], BYTES) != 0)
            fail_msg("frame %d differs", t);
    /* and they are pictures */
    uint8_t low = 255, high = 0;
    for (int i = 0; i < BYTES; i++) {
        uint8_t v = shared->frame[a][0][i];
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    assert_true(high - low > 100);
    assert_memory_not_equal(shared->frame[a][0], shared->frame[a][MANY - 1], BYTES);
}

static void no_egl(void) {
    setenv("CURLEW_EGL_LIBRARY", "/nonexistent/libEGL.so", 1);
}

static void no_osmesa(void) {
    setenv("CURLEW_OSMESA_LIBRARY", "/nonexistent/libOSMesa.so", 1);
}

static void child_egl(void) {
    draw(CW_RENDERER_EGL, 0);
}

static void child_auto(void) {
    draw(CW_RENDERER_AUTO, 1);
    draw(CW_RENDERER_OSMESA, 3); /* the process has its renderer already */
}

static void child_osmesa(void) {
    draw(CW_RENDERER_OSMESA, 2);
}

static void child_auto_without_egl(void) {
    no_egl();
    draw(CW_RENDERER_AUTO, 2);
}

static void child_auto_without_drivers(void) {
    setenv("__EGL_VENDOR_LIBRARY_DIRS", "/nonexistent", 1); /* libEGL is there, but for nothing */
    draw(CW_RENDERER_AUTO, 2);
}

static void test_auto_is_egl(void **state) {
    (void)state;
    clear();
    run_child(child_egl);
    assert_int_equal(shared->status[0], CW_OK);
    has(0, "EGL");
    run_child(child_auto);
    assert_int_equal(shared->status[1], CW_OK);
    has(1, "EGL");
    same_frames(0, 1);
    assert_int_equal(shared->status[3], CW_EUNSUPPORTED);
    has(3, "osmesa is not available");
    has(3, "already renders with EGL");
}

static void test_osmesa_draws_the_same(void **state) {
    (void)state;
    clear();
    run_child(child_osmesa);
    if (shared->status[2] != CW_OK) {
        has(2, "libOSMesa");
        print_message("skipped: %s\n", shared->text[2]);
        skip();
    }
    has(2, "OSMesa");
    run_child(child_egl);
    same_frames(0, 2);
    memset(shared->frame[2], 0, sizeof shared->frame[2]);
    run_child(child_auto_without_egl);
    has(2, "OSMesa");
    same_frames(0, 2);
    memset(shared->frame[2], 0, sizeof shared->frame[2]);
    run_child(child_auto_without_drivers);
    has(2, "OSMesa");
    same_frames(0, 2);
}

static void child_nothing(void) {
    cw_env env;
    no_egl();
    no_osmesa();
    draw(CW_RENDERER_AUTO, 0);
    draw(CW_RENDERER_EGL, 1);
    draw(CW_RENDERER_OSMESA, 2);
    /* Without pictures all goes on, and a renderer that comes later is found. */
    const cw_task *task;
    cw_env_options options = {.seed = 6, .image_size = 0, .camera = -1};
    if (cw_task_find("cartpole-swingup", &task) != CW_OK) _exit(5);
    if (cw_env_create(task, &options, &env) != CW_OK) _exit(6);
    env.vtable->destroy(env.self);
    unsetenv("CURLEW_EGL_LIBRARY");
    draw(CW_RENDERER_AUTO, 3);
}

static void test_no_renderer(void **state) {
    (void)state;
    clear();
    run_child(child_nothing);
    for (int i = 0; i < 3; i++) assert_int_equal(shared->status[i], CW_EUNSUPPORTED);
    has(0, "/nonexistent/libEGL.so");
    has(0, "/nonexistent/libOSMesa.so");
    has(0, "install");
    has(1, "renderer egl is not available");
    has(2, "renderer osmesa is not available");
    assert_int_equal(shared->status[3], CW_OK);
}

typedef struct worker {
    cw_env *env;
    int slot;
} worker;

static void *work(void *argument) {
    worker *w = argument;
    return draw_episode(w->env, w->slot);
}

/* Made in one thread, drawn in two others at once, then in this one, destroyed in another order. */
static void child_threads(void) {
    cw_env env[2];
    pthread_t thread[2];
    worker workers[2] = {{&env[0], 0}, {&env[1], 1}};
    for (int i = 0; i < 2; i++) {
        if (create(CW_RENDERER_EGL, &env[i]) != CW_OK) _exit(7);
        cw_env_renderer_describe(&env[i], shared->text[i], sizeof shared->text[i]);
    }
    for (int i = 0; i < 2; i++) pthread_create(&thread[i], NULL, work, &workers[i]);
    for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
    cw_env third;
    if (create(CW_RENDERER_EGL, &third) != CW_OK) _exit(8);
    env[0].vtable->destroy(env[0].self);
    draw_episode(&third, 2);
    third.vtable->destroy(third.self);
    env[1].vtable->destroy(env[1].self);
}

static void test_threads(void **state) {
    (void)state;
    clear();
    run_child(child_threads);
    same_frames(0, 1);
    same_frames(0, 2);
    /* Two software renderers share no lock. */
    if (strstr(shared->text[0], "(device)") && strstr(shared->text[0], "llvmpipe"))
        has(1, "(surfaceless)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto_is_egl),
        cmocka_unit_test(test_osmesa_draws_the_same),
        cmocka_unit_test(test_no_renderer),
        cmocka_unit_test(test_threads),
    };
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
