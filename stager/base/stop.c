/*
 * stop.c - a latch that can be waited on.
 *
 * For:    giving up a blocking call from elsewhere.
 * Uses:   eventfd.
 * Called: station (pulls), drivers and push (wait).
 * Thread: any.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <stager/bytes.h>
#include <stager/error.h>
#include <stager/stop.h>

struct stg_stop {
	int fd;
	atomic_bool pulled;
};

struct stg_stop *stg_stop_new(struct stg_error *err)
{
	struct stg_stop *s = stg_calloc(1, sizeof(*s));
	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->fd < 0) {
		stg_fail(err, STG_E_IO, errno, "eventfd: %s", strerror(errno));
		free(s);
		return NULL;
	}
	return s;
}

void stg_stop_pull(struct stg_stop *s)
{
	uint64_t one = 1;
	atomic_store(&s->pulled, true);
	while (write(s->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

bool stg_stop_pulled(const struct stg_stop *s)
{
	return s && atomic_load(&s->pulled);
}

int stg_stop_fd(const struct stg_stop *s)
{
	return s ? s->fd : -1;
}

void stg_stop_free(struct stg_stop *s)
{
	if (!s)
		return;
	close(s->fd);
	free(s);
}

void stg_stop_free_at(struct stg_stop **s)
{
	stg_stop_free(*s);
	*s = NULL;
}
