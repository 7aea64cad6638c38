/* Preloaded into a server: its time of day is the number of microseconds in a file. How long things take is not touched.
   No function of the allocator's is called, for it may be the one that asks. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *shown;

static int64_t now(void) {
    if (!shown) {
        const char *path = getenv("IDEM_TEST_CLOCK");
        int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (file < 0)
            return -1;
        void *map = mmap(0, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
        close(file);
        if (map == MAP_FAILED)
            return -1;
        shown = map;
    }
    return *shown;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int64_t micros = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? now() : -1;
    if (micros < 0)
        return (int)syscall(SYS_clock_gettime, clock, time);
    time->tv_sec = micros / 1000000;
    time->tv_nsec = micros % 1000000 * 1000;
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    struct timespec spec;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &spec))
        return -1;
    time->tv_sec = spec.tv_sec;
    time->tv_usec = spec.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec spec;
    if (clock_gettime(CLOCK_REALTIME, &spec))
        return -1;
    if (out)
        *out = spec.tv_sec;
    return spec.tv_sec;
}
