/* What a run takes of memory and disk, said before it starts. */
#include "base/error.h"
#include "base/file.h"
#include "base/resources.h"
#include "train/trainer.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

/* A run that is shorter than the replay is long does not fill it. */
static int64_t transitions_of(const cw_trainer *trainer) {
    const cw_settings *settings = &trainer->settings;
    int64_t repeat = trainer->action_repeat;
    int64_t steps = settings->train.frames / repeat + (settings->train.frames % repeat != 0);
    return steps < settings->replay.capacity ? steps : settings->replay.capacity;
}

void cw_trainer_needs(const cw_trainer *trainer, cw_run_needs *out) {
    cw_replay_desc desc = cw_replay_desc_of(&trainer->settings, &trainer->env);
    desc.capacity = out->transitions = transitions_of(trainer);
    double copies = (double)cw_trainer_saving_bytes(trainer);
    out->replay_bytes = (double)cw_replay_bytes(&desc);
    out->learner_bytes =
        (double)cw_agent_bytes(trainer->agent) + (double)cw_actor_bytes(trainer->actor) + copies;
    /* The generations that stay, the one being written, the best one; frames, each once. */
    out->disk_bytes = out->replay_bytes + (trainer->settings.train.checkpoint_keep + 2) * copies;
}

cw_status cw_trainer_check_memory(const cw_trainer *trainer) {
    cw_run_needs needs;
    cw_trainer_needs(trainer, &needs);
    double need = needs.replay_bytes + needs.learner_bytes;
    double available = (double)cw_memory_available();
    if (available == 0 || need <= available) return CW_OK;
    double fits = (0.95 * available - needs.learner_bytes) / needs.replay_bytes;
    return cw_fail(CW_ENOMEM,
                   "the run needs %.2f GB and %.2f GB are available; replay.capacity = %lld would "
                   "fit",
                   need * 1e-9, available * 1e-9,
                   (long long)fmax(0.0, floor(fits * (double)needs.transitions)));
}

/* Of the files that lie in a folder; what cannot be looked at counts nothing. */
static double files_bytes(const char *folder) {
    DIR *dir = opendir(folder);
    double bytes = 0;
    if (dir == NULL) return 0;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        struct stat about;
        bool known = fstatat(dirfd(dir), e->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0;
        if (known && S_ISREG(about.st_mode)) bytes += (double)about.st_size;
    }
    closedir(dir);
    return bytes;
}

/* Free space on the run folder's disk, with what earlier checkpoints of the run take of it;
 * negative when unknown. */
static double disk_for_checkpoints(const char *run) {
    char checkpoints[CW_PATH], frames[CW_PATH];
    uint64_t bytes;
    if (!cw_disk_available(run, &bytes) ||
        cw_path_join(checkpoints, sizeof checkpoints, run, "checkpoint") != CW_OK ||
        cw_path_join(frames, sizeof frames, checkpoints, "frames") != CW_OK) {
        return -1;
    }
    return (double)bytes + files_bytes(checkpoints) + files_bytes(frames);
}

void cw_trainer_say_needs(cw_trainer *trainer) {
    cw_run_needs needs;
    cw_trainer_needs(trainer, &needs);
    cw_trainer_line(trainer,
                    "memory: replay %.2f GB for %lld transitions, agent %.2f GB; available %.2f GB",
                    needs.replay_bytes * 1e-9, (long long)needs.transitions,
                    needs.learner_bytes * 1e-9, (double)cw_memory_available() * 1e-9);
    double disk = disk_for_checkpoints(trainer->settings.run.out);
    if (disk < 0) return;
    cw_trainer_line(trainer, "disk: checkpoints take up to %.2f GB; there is room for %.2f GB",
                    needs.disk_bytes * 1e-9, disk * 1e-9);
    if (disk < needs.disk_bytes) {
        cw_trainer_line(trainer,
                        "warning: the disk will be full before the run is over; nothing is lost "
                        "then, and the same command goes on once there is room");
    }
}
