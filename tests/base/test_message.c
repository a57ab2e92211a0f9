/*
 * test_message.c - values and descriptors between processes, when the other end is slow, wrong, greedy or dead.
 *
 * For:    the promise of <stager/message.h>.
 * Uses:   socket pairs; a forked sender where one must block.
 * Called: by tests/run.sh.
 * Thread: one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/message.h>

#define LONG_MS 60000
#define LASTS 5000

static void pair(int ends[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static json_t *say(const char *kind, int64_t n)
{
	json_t *j = json_object();
	stg_json_put(j, "t", kind);
	stg_json_put_int(j, "n", n);
	return j;
}

static void send_raw(int fd, const void *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Bytes of our own making with descriptors that nobody counted. */
static void send_raw_fds(int fd, const void *bytes, size_t len, size_t n_fds)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * 16)];
	} control = { .room = { 0 } };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room,
			    .msg_controllen = CMSG_SPACE(sizeof(int) * n_fds) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
	for (size_t i = 0; i < n_fds; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &(int){ STDIN_FILENO }, sizeof(int));
	assert_int_equal(sendmsg(fd, &m, MSG_NOSIGNAL), (ssize_t)len);
}

static size_t open_fds(void)
{
	size_t n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* A file with one number in it, open for reading. */
static int numbered_file(int n)
{
	FILE *f = tmpfile();
	assert_non_null(f);
	fprintf(f, "%d", n);
	rewind(f);
	int fd = dup(fileno(f));
	fclose(f);
	return fd;
}

static int number_in(int fd)
{
	char text[16] = "";
	assert_true(fd >= 0);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	return atoi(text);
}

static void nothing_in_time_may_be_asked_again(void **state)
{
	(void)state;
	int ends[2];
	pair(ends);
	struct stg_error err = { 0 };
	assert_null(stg_message_recv(ends[0], NULL, 0, &err));
	assert_int_equal(err.code, STG_E_TIMEOUT);
	assert_null(stg_message_recv(ends[0], NULL, 30, &err));
	assert_int_equal(err.code, STG_E_TIMEOUT);
	STG_AUTO(stg_json_free_at) json_t *msg = say("late", 1);
	assert_true(stg_message_send(ends[1], msg, NULL, 0, LONG_MS, &err));
	STG_AUTO(stg_json_free_at) json_t *got = stg_message_recv(ends[0], NULL, LONG_MS, &err);
	assert_true(json_equal(msg, got));
	close(ends[0]);
	close(ends[1]);
}

static void half_a_message_is_an_error_and_not_the_next_one(void **state)
{
	(void)state;
	static const char whole[] = "\x0a\0\0\0\0{\"t\":\"ab\"}";
	for (size_t len = 1; len < sizeof(whole) - 1; len++) {
		int ends[2];
		pair(ends);
		struct stg_error err = { 0 };
		send_raw(ends[1], whole, len);
		assert_null(stg_message_recv(ends[0], NULL, 0, &err));
		assert_int_equal(err.code, STG_E_PROTOCOL);
		close(ends[1]);
		close(ends[0]);

		pair(ends);
		send_raw(ends[1], whole, len);
		close(ends[1]);
		assert_null(stg_message_recv(ends[0], NULL, LONG_MS, &err));
		assert_int_equal(err.code, STG_E_GONE);
		close(ends[0]);
	}
}

static void a_message_in_pieces_arrives_whole(void **state)
{
	(void)state;
	static const char two[] = "\x0a\0\0\0\0{\"t\":\"ab\"}\x0a\0\0\0\0{\"t\":\"cd\"}";
	int ends[2], fds[STG_MESSAGE_FDS];
	pair(ends);
	struct stg_channel *c = stg_channel_new(ends[0]);
	struct stg_error err = { 0 };
	size_t got = 0;
	for (size_t i = 0; i < sizeof(two) - 1; i++) {
		send_raw(ends[1], two + i, 1);
		assert_true(stg_channel_pump(c, &err));
		json_t *msg = stg_channel_next(c, fds);
		if (msg) {
			assert_string_equal(stg_json_str(msg, "t"), got ? "cd" : "ab");
			assert_int_equal(i, got ? sizeof(two) - 2 : 14);
			assert_int_equal(fds[0], -1);
			json_decref(msg);
			got++;
		}
	}
	assert_int_equal(got, 2);
	close(ends[1]);
	assert_false(stg_channel_pump(c, &err));
	assert_int_equal(err.code, STG_E_GONE);
	stg_channel_free(c);
}

static void what_is_not_ours_is_refused(void **state)
{
	(void)state;
	static const struct { const char *bytes; size_t len; } wrong[] = {
		{ "\xff\xff\xff\xff\0{}", 7 }, { "\x01\0\0\x01\0{}", 7 }, { "\x02\0\0\0\x09{}", 7 }, { "GET / HTTP/1.1\r\n", 16 },
		{ "\x02\0\0\0\0[]", 7 }, { "\x02\0\0\0\0{]", 7 }, { "\0\0\0\0\0", 5 }, { "\x04\0\0\0\0null", 9 },
		/* texts beside the JSON: none in front, longer than there is, half a head, a key twice, no UTF-8, a NUL, no object */
		{ "\x03\0\0\0\x80\x01\0\0", 8 }, { "\x06\0\0\0\x80\x03\0\0\0{}", 11 }, { "\x08\0\0\0\x80\x02\0\0\0{}\x01\x01", 13 },
		{ "\x0d\0\0\0\x80\x02\0\0\0{}\x01\x02\0\0\0ax", 18 }, { "\x0d\0\0\0\x80\x02\0\0\0{}\x03\x01\0\0\0ax", 18 },
		{ "\x14\0\0\0\x80\x02\0\0\0{}\x01\x01\0\0\0ax\x01\x01\0\0\0ax", 25 }, { "\x0d\0\0\0\x80\x02\0\0\0{}\x01\x01\0\0\0a\xff", 18 },
		{ "\x0d\0\0\0\x80\x02\0\0\0{}\x01\x01\0\0\0\xff" "x", 18 }, { "\x0d\0\0\0\x80\x02\0\0\0{}\x01\x01\0\0\0a\0", 18 },
		{ "\x0d\0\0\0\x80\x02\0\0\0[]\x01\x01\0\0\0ax", 18 }, { "\x02\0\0\0\x89{}", 7 },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(wrong); i++) {
		int ends[2];
		struct stg_error err = { 0 };
		pair(ends);
		send_raw(ends[1], wrong[i].bytes, wrong[i].len);
		assert_null(stg_message_recv(ends[0], NULL, LONG_MS, &err));
		assert_int_equal(err.code, STG_E_PROTOCOL);
		close(ends[0]);
		close(ends[1]);

		pair(ends);
		send_raw(ends[1], wrong[i].bytes, wrong[i].len);
		struct stg_channel *c = stg_channel_new(ends[0]);
		if (stg_channel_pump(c, &err)) {
			/* framed, but no object: an empty one, of a kind that nobody knows */
			STG_AUTO(stg_json_free_at) json_t *msg = stg_channel_next(c, NULL);
			assert_true(json_is_object(msg));
			assert_int_equal(json_object_size(msg), 0);
		} else {
			assert_int_equal(err.code, STG_E_PROTOCOL);
		}
		assert_null(stg_channel_next(c, NULL));
		stg_channel_free(c);
		close(ends[1]);
	}
}

/* Around the length from which on a text goes beside the JSON, deeper than the message itself, with what JSON escapes. */
static void long_texts_arrive_as_they_were(void **state)
{
	(void)state;
	static const size_t lengths[] = { 0, 1, 511, 512, 513, 20000 };
	int ends[2], fds[STG_MESSAGE_FDS];
	pair(ends);
	STG_AUTO(stg_json_free_at) json_t *msg = say("long", 5);
	for (size_t i = 0; i < STG_ARRAY_LEN(lengths); i++) {
		char key[300], *text = stg_calloc(1, lengths[i] + 1);
		for (size_t at = 0; at < lengths[i]; at++)
			text[at] = "abc\"\\\n\x01z"[at % 8];
		if (lengths[i] >= 2)
			memcpy(text + lengths[i] - 2, "\xc3\xa9", 2);
		snprintf(key, sizeof(key), "text%zu", i);
		json_object_set_new(msg, key, json_string(text));
		/* a key too long for the form beside */
		memset(key, 'k', sizeof(key) - 1);
		snprintf(key + 280, sizeof(key) - 280, "%zu", i);
		json_object_set_new(msg, key, json_string(text));
		json_object_set_new(msg, i % 2 ? "" : "deep", json_pack("{s:s}", "text", text));
		free(text);
	}
	struct stg_error err = { 0 };
	for (int round = 0; round < 3; round++) {
		int fd = numbered_file(round);
		assert_true(stg_message_send(ends[1], msg, &fd, 1, LONG_MS, &err));
		STG_AUTO(stg_json_free_at) json_t *got = stg_message_recv(ends[0], fds, LONG_MS, &err);
		assert_true(json_equal(got, msg));
		assert_int_equal(number_in(fds[0]), round);
		close(fds[0]);
		close(fd);
	}
	struct stg_channel *from = stg_channel_new(ends[1]), *to = stg_channel_new(ends[0]);
	for (int round = 0; round < 3; round++)
		assert_true(stg_channel_send(from, msg, NULL, 0, &err));
	for (int got = 0; got < 3;) {
		assert_true(stg_channel_pump(from, &err));
		assert_true(stg_channel_pump(to, &err));
		for (json_t *one; (one = stg_channel_next(to, NULL)); json_decref(one), got++)
			assert_true(json_equal(one, msg));
	}
	stg_channel_free(from);
	stg_channel_free(to);
}

static void a_message_over_the_ceiling_is_not_sent(void **state)
{
	(void)state;
	int ends[2];
	pair(ends);
	struct stg_channel *c = stg_channel_new(ends[0]);
	char *big = malloc(STG_MESSAGE_MAX + 1);
	assert_non_null(big);
	memset(big, 'x', STG_MESSAGE_MAX);
	big[STG_MESSAGE_MAX] = 0;
	STG_AUTO(stg_json_free_at) json_t *msg = say("big", 1);
	stg_json_put(msg, "x", big);
	free(big);
	struct stg_error err = { 0 };
	assert_false(stg_channel_send(c, msg, NULL, 0, &err));
	assert_int_equal(err.code, STG_E_PROTOCOL);
	assert_false(stg_channel_wants_write(c));
	assert_false(stg_message_send(ends[1], msg, NULL, 0, LONG_MS, &err));
	assert_int_equal(err.code, STG_E_PROTOCOL);
	assert_null(stg_message_recv(stg_channel_fd(c), NULL, 0, &err));
	assert_int_equal(err.code, STG_E_TIMEOUT);
	stg_channel_free(c);
	close(ends[1]);
}

static void the_largest_message_and_one_behind_it_arrive(void **state)
{
	(void)state;
	int ends[2];
	pair(ends);
	/* {"t":"x"} and its long "x" of exactly the ceiling: 4 bytes in front, 5 and the key before the text */
	static const char around[] = "4444{\"t\":\"x\"}55555x";
	size_t fill = STG_MESSAGE_MAX - (sizeof(around) - 1);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		char *big = malloc(fill + 1);
		memset(big, 'x', fill);
		big[fill] = 0;
		json_t *msg = json_object();
		stg_json_put(msg, "t", "x");
		stg_json_put(msg, "x", big);
		free(big);
		bool ok = stg_message_send(ends[1], msg, NULL, 0, LONG_MS, NULL);
		json_decref(msg);
		json_t *last = say("last", 7);
		for (int i = 0; i < LASTS; i++)
			ok = ok && stg_message_send(ends[1], last, NULL, 0, LONG_MS, NULL);
		json_decref(last);
		_exit(ok ? 0 : 1);
	}
	close(ends[1]);
	struct stg_channel *c = stg_channel_new(ends[0]);
	struct stg_error err = { 0 };
	size_t lasts = 0, bigs = 0;
	bool alive = true;
	while (alive) {
		struct pollfd p = { .fd = stg_channel_fd(c), .events = POLLIN };
		assert_int_equal(poll(&p, 1, LONG_MS), 1);
		alive = stg_channel_pump(c, &err);
		for (json_t *msg; (msg = stg_channel_next(c, NULL)); json_decref(msg)) {
			lasts += strcmp(stg_json_str(msg, "t"), "last") == 0;
			bigs += strlen(stg_json_str(msg, "x")) == fill;
		}
	}
	assert_int_equal(err.code, STG_E_GONE);
	assert_int_equal(bigs, 1);
	assert_int_equal(lasts, LASTS);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	stg_channel_free(c);
}

static void many_small_messages_cost_little(void **state)
{
	(void)state;
	/* a megabyte of the smallest messages: if each moved the rest it would be 75 GB of moving */
	int ends[2];
	pair(ends);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		static char many[7 * 150000];
		for (size_t i = 0; i < sizeof(many); i += 7)
			memcpy(many + i, "\x02\0\0\0\0{}", 7);
		size_t sent = 0;
		while (sent < sizeof(many)) {
			ssize_t n = send(ends[1], many + sent, sizeof(many) - sent, MSG_NOSIGNAL);
			if (n <= 0)
				_exit(1);
			sent += (size_t)n;
		}
		_exit(0);
	}
	close(ends[1]);
	int64_t begin = stg_cpu_us();
	struct stg_channel *c = stg_channel_new(ends[0]);
	size_t got = 0;
	for (bool alive = true; alive;) {
		struct pollfd p = { .fd = stg_channel_fd(c), .events = POLLIN };
		assert_int_equal(poll(&p, 1, LONG_MS), 1);
		alive = stg_channel_pump(c, NULL);
		for (json_t *msg; (msg = stg_channel_next(c, NULL)); json_decref(msg))
			got++;
	}
	assert_int_equal(got, 150000);
	assert_true(stg_cpu_us() - begin < 60000000);
	assert_int_equal(waitpid(child, NULL, 0), child);
	stg_channel_free(c);
}

static void descriptors_stay_with_their_message(void **state)
{
	(void)state;
	size_t before = open_fds();
	int ends[2];
	pair(ends);
	struct stg_channel *from = stg_channel_new(ends[1]), *to = stg_channel_new(ends[0]);
	struct stg_error err = { 0 };
	/* 40 messages of 0 to 8 descriptors: far more at once than the reader keeps */
	for (int i = 0; i < 40; i++) {
		int fds[STG_MESSAGE_FDS];
		size_t n = (size_t)i % 9;
		for (size_t k = 0; k < n; k++)
			fds[k] = numbered_file(i * 10 + (int)k);
		STG_AUTO(stg_json_free_at) json_t *msg = say("files", i);
		assert_true(stg_channel_send(from, msg, fds, n, &err));
		for (size_t k = 0; k < n; k++)
			close(fds[k]);
	}
	int seen = 0;
	for (int round = 0; seen < 40 && round < 1000; round++) {
		assert_true(stg_channel_pump(from, &err));
		assert_true(stg_channel_pump(to, &err));
		int fds[STG_MESSAGE_FDS];
		for (json_t *msg; (msg = stg_channel_next(to, fds)); json_decref(msg)) {
			assert_int_equal(stg_json_int(msg, "n", -1), seen);
			for (int k = 0; k < STG_MESSAGE_FDS; k++) {
				if (k < seen % 9)
					assert_int_equal(number_in(fds[k]), seen * 10 + k);
				else
					assert_int_equal(fds[k], -1);
				stg_close_at(&fds[k]);
			}
			seen++;
		}
	}
	assert_int_equal(seen, 40);
	stg_channel_free(from);
	stg_channel_free(to);
	assert_int_equal(open_fds(), before);
}

static void the_blocking_form_passes_descriptors_too(void **state)
{
	(void)state;
	size_t before = open_fds();
	int ends[2], fds[STG_MESSAGE_FDS];
	pair(ends);
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *msg = say("file", 1);
	int mine = numbered_file(42);
	assert_true(stg_message_send(ends[1], msg, &mine, 1, LONG_MS, &err));
	assert_true(stg_message_send(ends[1], msg, &mine, 1, LONG_MS, &err));
	close(mine);
	STG_AUTO(stg_json_free_at) json_t *got = stg_message_recv(ends[0], fds, LONG_MS, &err);
	assert_non_null(got);
	assert_int_equal(number_in(fds[0]), 42);
	assert_int_equal(fds[1], -1);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	close(fds[0]);
	/* who does not want them does not leak them */
	STG_AUTO(stg_json_free_at) json_t *second = stg_message_recv(ends[0], NULL, LONG_MS, &err);
	assert_non_null(second);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(open_fds(), before);
}

static void descriptors_nobody_announced_end_the_connection(void **state)
{
	(void)state;
	size_t before = open_fds();
	static const struct { const char *bytes; size_t len, n_fds; } tricks[] = {
		{ "\x02\0\0\0\0{}", 7, 1 },          /* none announced */
		{ "\x02\0\0\0\2{}", 7, 3 },          /* one too many */
		{ "\x02\0\0\0\0{}\x02\0\0\0\1{}", 14, 2 },
		{ "\x02\0", 2, 9 },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(tricks); i++) {
		int ends[2];
		struct stg_error err = { 0 };
		pair(ends);
		send_raw_fds(ends[1], tricks[i].bytes, tricks[i].len, tricks[i].n_fds);
		close(ends[1]);
		json_t *msg, *refused = NULL;
		while ((msg = stg_message_recv(ends[0], NULL, LONG_MS, &err)))
			json_decref(msg);
		assert_null(refused);
		assert_true(err.code == STG_E_PROTOCOL || (i == 3 && err.code == STG_E_GONE));
		close(ends[0]);

		pair(ends);
		send_raw_fds(ends[1], tricks[i].bytes, tricks[i].len, tricks[i].n_fds);
		struct stg_channel *c = stg_channel_new(ends[0]);
		if (i < 3) {
			assert_false(stg_channel_pump(c, &err));
			assert_int_equal(err.code, STG_E_PROTOCOL);
		} else {
			(void)stg_channel_pump(c, &err);
			assert_null(stg_channel_next(c, NULL));
		}
		stg_channel_free(c);
		close(ends[1]);
	}
	/* announced, but not sent: no message with a file that is not there */
	int ends[2], fds[STG_MESSAGE_FDS];
	struct stg_error err = { 0 };
	pair(ends);
	send_raw(ends[1], "\x09\0\0\0\1{\"t\":\"x\"}", 14);
	assert_null(stg_message_recv(ends[0], fds, LONG_MS, &err));
	assert_int_equal(err.code, STG_E_PROTOCOL);
	close(ends[0]);
	close(ends[1]);
	pair(ends);
	send_raw(ends[1], "\x09\0\0\0\1{\"t\":\"x\"}", 14);
	struct stg_channel *c = stg_channel_new(ends[0]);
	assert_true(stg_channel_pump(c, &err));
	STG_AUTO(stg_json_free_at) json_t *msg = stg_channel_next(c, fds);
	assert_string_equal(stg_json_str(msg, "t"), "");
	assert_int_equal(fds[0], -1);
	stg_channel_free(c);
	close(ends[1]);
	assert_int_equal(open_fds(), before);
}

static void the_last_words_of_a_dead_peer_are_heard(void **state)
{
	(void)state;
	int ends[2];
	pair(ends);
	struct stg_channel *c = stg_channel_new(ends[0]);
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *result = say("result", 5);
	assert_true(stg_message_send(ends[1], result, NULL, 0, LONG_MS, &err));
	close(ends[1]);
	/* we still had something to say, and find out that nobody listens */
	STG_AUTO(stg_json_free_at) json_t *order = say("stop", 1);
	(void)stg_channel_send(c, order, NULL, 0, &err);
	assert_false(stg_channel_pump(c, &err));
	assert_int_equal(err.code, STG_E_GONE);
	STG_AUTO(stg_json_free_at) json_t *heard = stg_channel_next(c, NULL);
	assert_true(json_equal(heard, result));
	stg_channel_free(c);

	pair(ends);
	close(ends[1]);
	assert_false(stg_message_send(ends[0], order, NULL, 0, LONG_MS, &err));
	assert_int_equal(err.code, STG_E_GONE);
	assert_null(stg_message_recv(ends[0], NULL, LONG_MS, &err));
	assert_int_equal(err.code, STG_E_GONE);
	close(ends[0]);
}

static void a_peer_that_does_not_read_is_given_up(void **state)
{
	(void)state;
	int ends[2];
	pair(ends);
	struct stg_channel *c = stg_channel_new(ends[0]);
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *msg = say("much", 1);
	char *text = malloc(1u << 20);
	assert_non_null(text);
	memset(text, 'x', (1u << 20) - 1);
	text[(1u << 20) - 1] = 0;
	stg_json_put(msg, "x", text);
	free(text);
	int sent = 0;
	while (sent < 100 && stg_channel_send(c, msg, NULL, 0, &err))
		sent++;
	assert_in_range(sent, 60, 70);
	assert_int_equal(err.code, STG_E_TIMEOUT);
	assert_true(stg_channel_wants_write(c));
	assert_false(stg_message_send(ends[0], msg, NULL, 0, 20, &err));
	assert_int_equal(err.code, STG_E_TIMEOUT);
	stg_channel_free(c);
	close(ends[1]);
}

static void without_descriptors_left_a_message_is_refused(void **state)
{
	(void)state;
	int ends[2];
	pair(ends);
	struct stg_channel *c = stg_channel_new(ends[0]);
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *msg = say("file", 1);
	struct rlimit before, none = { 0 };
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	bool ok = stg_channel_send(c, msg, &(int){ STDIN_FILENO }, 1, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_false(ok);
	assert_int_equal(err.code, STG_E_IO);
	/* and the connection still works */
	assert_true(stg_channel_send(c, msg, &(int){ STDIN_FILENO }, 1, &err));
	STG_AUTO(stg_json_free_at) json_t *got = stg_message_recv(ends[1], NULL, LONG_MS, &err);
	assert_true(json_equal(got, msg));
	stg_channel_free(c);
	close(ends[1]);
}

static void sockets_have_paths_and_peers(void **state)
{
	(void)state;
	char folder[] = "/tmp/stg-msg.XXXXXX", path[64], longer[200];
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	struct stg_error err = { 0 };

	assert_int_equal(stg_unix_connect(path, &err), -1);
	assert_int_equal(err.code, STG_E_NOT_FOUND);
	memset(longer, 'x', sizeof(longer));
	longer[0] = '/';
	longer[108] = 0;
	assert_int_equal(stg_unix_listen(longer, 0600, &err), -1);
	assert_int_equal(err.code, STG_E_STATION);
	assert_int_equal(err.id, STG_ID_SOCKET_PATH);
	assert_int_equal(stg_unix_connect(longer, &err), -1);
	assert_int_equal(err.id, STG_ID_SOCKET_PATH);

	int listener = stg_unix_listen(path, 0600, &err);
	assert_true(listener >= 0);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	int one = stg_unix_connect(path, &err);
	assert_true(one >= 0);
	int other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(other >= 0);
	int pid;
	unsigned int uid;
	assert_true(stg_peer(other, &pid, &uid, &err));
	assert_int_equal(pid, getpid());
	assert_int_equal(uid, getuid());
	close(one);
	close(other);
	close(listener);
	/* what a killed station left behind does not stop the next one */
	assert_int_equal(stg_unix_connect(path, &err), -1);
	assert_int_equal(err.code, STG_E_NOT_FOUND);
	listener = stg_unix_listen(path, 0660, &err);
	assert_true(listener >= 0);
	close(listener);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_a_message_is_an_error_and_not_the_next_one),
		cmocka_unit_test(what_is_not_ours_is_refused),
		cmocka_unit_test(a_message_over_the_ceiling_is_not_sent),
		cmocka_unit_test(descriptors_nobody_announced_end_the_connection),
		cmocka_unit_test(the_last_words_of_a_dead_peer_are_heard),
		cmocka_unit_test(a_peer_that_does_not_read_is_given_up),
		cmocka_unit_test(without_descriptors_left_a_message_is_refused),
		cmocka_unit_test(nothing_in_time_may_be_asked_again),
		cmocka_unit_test(a_message_in_pieces_arrives_whole),
		cmocka_unit_test(long_texts_arrive_as_they_were),
		cmocka_unit_test(the_largest_message_and_one_behind_it_arrive),
		cmocka_unit_test(many_small_messages_cost_little),
		cmocka_unit_test(descriptors_stay_with_their_message),
		cmocka_unit_test(the_blocking_form_passes_descriptors_too),
		cmocka_unit_test(sockets_have_paths_and_peers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
