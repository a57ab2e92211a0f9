/*
 * push.c - 100,000 results to a webhook in batches, and staging beside a million deliveries; added to bench.json.
 *
 * For:    `make bench`: the receiver is the limit, the station's processor and memory stay flat.
 * Uses:   the store, push and a receiver in a process of its own that takes half a second for a batch of 500, a thousand a second
 *         (no MDM of ours takes a tenth of that); then one that takes no time, to see the station's own limit.
 * Called: run.sh: push BENCH.json [RESULTS]; STG_PUSH_ONLY=1, STG_STAGING_ONLY=1: one of both.
 * Thread: the only one of its process.
 */
#include "../push/site.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "../store/raw.h"

enum { BATCH = 500, RECEIVER_MS = 500, BLOCKS = 15, BLOCK = 100 };

/* Laying down what is measured need not survive a power cut; what is measured does. */
static bool laying_down;

int fsync(int fd)
{
	return laying_down ? 0 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return laying_down ? 0 : (int)syscall(SYS_fdatasync, fd);
}

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double cpu_ms(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e3 + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e3;
}

/* Resident memory and processor time of this process and its helper, from /proc. */
static void now_used(double *ret_cpu_ms, double *ret_mib)
{
	char path[64], children[64] = "", stat[1024];
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	FILE *f = fopen(path, "re");
	char *last = f && fgets(children, sizeof(children), f) ? strrchr(children, ' ') : NULL;
	if (f)
		fclose(f);
	/* the helper is the youngest child */
	if (last)
		*last = 0;
	last = strrchr(children, ' ');
	int pids[2] = { (int)getpid(), atoi(last ? last + 1 : children) };
	*ret_cpu_ms = *ret_mib = 0;
	for (int i = 0; i < 2; i++) {
		unsigned long user, sys, pages;
		snprintf(path, sizeof(path), "/proc/%d/stat", pids[i]);
		f = pids[i] ? fopen(path, "re") : NULL;
		const char *after = f && fgets(stat, sizeof(stat), f) ? strrchr(stat, ')') : NULL;
		if (after && sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u %lu", &user, &sys, &pages) == 3) {
			*ret_cpu_ms += (double)(user + sys) * 1000 / (double)sysconf(_SC_CLK_TCK);
			*ret_mib += (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
		}
		if (f)
			fclose(f);
	}
}

static struct {
	int64_t taken, all;
	double cpu_ms[11], mib[11];
} watched;

static void watch(int tenth)
{
	now_used(&watched.cpu_ms[tenth], &watched.mib[tenth]);
}

static json_t *take_watched(void *ctx, const char *target, int64_t most, struct stg_error *err)
{
	int before = (int)(watched.taken * 10 / watched.all);
	json_t *rows = take(ctx, target, most, err);
	watched.taken += (int64_t)json_array_size(rows);
	int now = (int)(watched.taken * 10 / watched.all);
	for (int i = before + 1; i <= now && i < 10; i++)
		watch(i);
	return rows;
}

/* ---- the receiver ---- */

struct counted {
	_Atomic int64_t requests, bytes, busy_ms;
};

static void receive(int listener, struct counted *c, int ms)
{
	static char in[8u << 20];
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
	for (;;) {
		int fd = accept(listener, NULL, NULL), n;
		size_t have = 0;
		while (fd >= 0 && (n = (int)recv(fd, in + have, sizeof(in) - 1 - have, 0)) > 0) {
			have += (size_t)n;
			in[have] = 0;
			char *end = memmem(in, have, "\r\n\r\n", 4), *len = strcasestr(in, "content-length:");
			if (!end || !len || have < (size_t)(end - in) + 4 + (size_t)atol(len + 15))
				continue;
			c->requests++;
			c->bytes += (int64_t)have;
			c->busy_ms += ms;
			nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000L }, NULL);
			if (send(fd, ok, sizeof(ok) - 1, MSG_NOSIGNAL) < 0)
				break;
			have = 0;
		}
		close(fd);
	}
}

/* ---- what is measured ---- */

static void stage_quickly(struct site *s, int count)
{
	for (int i = 0; i < count; i++) {
		struct stg_identity who = phone(++s->phones);
		int64_t job = job_for(s->st.s, &who, NULL, 0);
		OK(stg_store_job_move(s->st.s, job, STG_JOB_RUNNING, NULL, err));
		OK(stg_store_job_finish(s->st.s, job, STG_JOB_DONE, STG_END_STAGED, NULL, &who, NULL, NULL, err));
	}
}

static void push_many(json_t *figures, int results, int receiver_ms)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	struct counted *c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(c != MAP_FAILED && bind(listener, (struct sockaddr *)&at, len) == 0 && listen(listener, 8) == 0 && getsockname(listener, (struct sockaddr *)&at, &len) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		receive(listener, c, receiver_ms);
	}
	struct site *s = site_start(STG_STORE_PRODUCTION);
	char path[256], url[64];
	static const char text[] = "name: many\nabout: in batches\nauth: {kind: hmac-webhook, also: [none]}\nbatch: {max_items: 500, max_bytes: 8000000}\nnatural_key: record_id\n"
				   "request: {method: POST, path: /hook, headers: {webhook-id: \"{{delivery_batch_id}}\", webhook-timestamp: \"{{now_s}}\"}, body: '{records: .}'}\n"
				   "answer: {type: any}\n";
	snprintf(path, sizeof(path), "%s/connectors", s->st.dir);
	OK(stg_folder_make(path, 0700, err));
	snprintf(path, sizeof(path), "%s/connectors/many.yaml", s->st.dir);
	OK(stg_file_write(path, stg_bytes_str(text), 0600, err));
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(at.sin_port));
	(void)target_add(s, "many", json_pack("{s:s}", "url", url));
	laying_down = true;
	stage_quickly(s, results);
	laying_down = false;

	struct stg_push_door door = s->door;
	int64_t delivered = 0, next, done = 0;
	double from = now_ms();
	door.take = take_watched;
	memset(&watched, 0, sizeof(watched));
	watched.all = results;
	for (int n = 0; done < results && n < 1000; n++) {
		OK(stg_push_round(&door, NULL, NULL, &delivered, &next, err));
		done += delivered;
	}
	double wall = now_ms() - from, share = (double)c->busy_ms / wall * 100;
	watch(10);
	assert_int_equal(done, results);
	if (!receiver_ms) {
		json_object_set_new(figures, "push_most_per_s", json_real(results / wall * 1000));
		printf("%-40s %10.0f (to a receiver that takes no time)\n", "push_most_per_s", results / wall * 1000);
		goto end;
	}
	/* what is made once is made in the first tenth */
	double us[2] = { (watched.cpu_ms[2] - watched.cpu_ms[1]) * 1e4 / results, (watched.cpu_ms[10] - watched.cpu_ms[9]) * 1e4 / results };
	json_object_set_new(figures, "push_results", json_integer(results));
	json_object_set_new(figures, "push_results_per_s", json_real(results / wall * 1000));
	json_object_set_new(figures, "push_receiver_share_percent", json_real(share));
	json_object_set_new(figures, "push_cpu_us_second_tenth", json_real(us[0]));
	json_object_set_new(figures, "push_cpu_us_last_tenth", json_real(us[1]));
	json_object_set_new(figures, "push_mib_first_tenth", json_real(watched.mib[1]));
	json_object_set_new(figures, "push_mib_end", json_real(watched.mib[10]));
	printf("%-40s %10d in %lld requests of %lld bytes\n%-40s %10.0f\n%-40s %10.1f %% (of the time it is the receiver that works)\n", "push_results", results,
	       (long long)c->requests, (long long)(c->bytes / (c->requests ? c->requests : 1)), "push_results_per_s", results / wall * 1000, "push_receiver_share_percent", share);
	printf("%-40s %10.1f us a result, in the last tenth %.1f us\n%-40s %10.1f MiB after a tenth, %.1f MiB at the end\n", "push_cpu", us[0], us[1], "push_memory",
	       watched.mib[1], watched.mib[10]);
end:
	site_stop(&s);
	close(listener);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void million_beside(const struct site *s)
{
	char path[256];
	sqlite3 *db;
	snprintf(path, sizeof(path), "%s/stager.db", s->st.dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	raw_run(db, "PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF");
	raw_run(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)"
		    " INSERT INTO outbox (id, seq, record_id, device, target, phase, state, created_ms, changed_ms, mac)"
		    " SELECT i, i, 'record-' || i, 1, 'before', 'E', iif(i % 10 = 0, 'queued', 'delivered'), i, i, '' FROM n");
	sqlite3_close(db);
}

/* The same devices staged in two states in turns: one has a million deliveries. */
static void staging_beside_a_million(json_t *figures)
{
	struct site *s[2] = { site_start(STG_STORE_PRODUCTION), site_start(STG_STORE_PRODUCTION) };
	double ms[2][BLOCKS];
	for (int k = 0; k < 2; k++)
		(void)webhook_add(s[k]);
	million_beside(s[1]);
	laying_down = true;             /* the disk's own pace would hide ours */
	for (int i = -1; i < BLOCKS; i++)
		for (int k = 0; k < 2; k++) {
			double from = cpu_ms();
			stage(s[k], BLOCK);
			if (i >= 0)
				ms[k][i] = (cpu_ms() - from) / BLOCK;
		}
	laying_down = false;
	for (int k = 0; k < 2; k++) {
		qsort(ms[k], BLOCKS, sizeof(double), by_size);
		site_stop(&s[k]);
	}
	double slower = (ms[1][BLOCKS / 2] / ms[0][BLOCKS / 2] - 1) * 100;
	json_object_set_new(figures, "staging_cpu_ms_empty_outbox", json_real(ms[0][BLOCKS / 2]));
	json_object_set_new(figures, "staging_cpu_ms_million_rows", json_real(ms[1][BLOCKS / 2]));
	printf("%-40s %10.3f ms\n%-40s %10.3f ms (%+.1f %%)\n", "staging_cpu_ms_empty_outbox", ms[0][BLOCKS / 2], "staging_cpu_ms_million_rows", ms[1][BLOCKS / 2], slower);
	if (slower > 5)
		printf("push: a million rows slow staging by more than 5 %%\n");
}

int main(int argc, char **argv)
{
	struct stg_error err = { 0 };
	if (argc < 2)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1u << 20);
	STG_AUTO(stg_json_free_at) json_t *figures = stg_file_read(argv[1], &text, &err) ? stg_json_parse(stg_buf_view(&text), 1u << 20, &err) : NULL;
	if (!figures)
		figures = json_object();
	if (!getenv("STG_PUSH_ONLY"))
		staging_beside_a_million(figures);
	const int results = argc > 2 ? atoi(argv[2]) : 100000;
	if (!getenv("STG_STAGING_ONLY")) {
		push_many(figures, results, RECEIVER_MS);
		push_many(figures, results / 5, 0);
	}
	return json_dump_file(figures, argv[1], JSON_INDENT(1) | JSON_PRESERVE_ORDER) ? 1 : 0;
}
