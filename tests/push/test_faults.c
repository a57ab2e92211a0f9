/*
 * test_faults.c - every fault on every request of every kind of receiver: nothing lost, nothing doubled, nothing stuck.
 *
 * For:    the judged matrix of faults x requests x positions.
 * Uses:   world.h (receivers that remember), own_time.h (waits of hours and days pass at once), a real inventory.
 * Called: by tests/run.sh with a sample; STG_CELLS=0 goes through all cells (`make push-faults`), STG_SEED chooses the sample,
 *         STG_CELL=N shows one, STG_FAULT=WORDS takes all cells of the faults with these words in their names.
 * Thread: the test's, and one for each connection of the receiver.
 *
 * A cell is a receiver, a kind of request, a fault, the request it begins with and how many requests it lasts. Six results are
 * told, as the station's push thread does: round after round, each at the moment the last one named. When nothing moves any
 * more, what waits for a person gets the person's word; then the receiver must hold exactly the six.
 */
#include "receivers.h"

#include <dlfcn.h>
#include <netdb.h>
#include <sys/wait.h>

#define DEVICES 6
#define BLOCK 200                       /* cells of one process: a process has room for 256 targets */
#define ROUNDS_MAX 400
#define MOST_WAIT_MS 60000              /* as the station's push thread */
#define SAMPLE 80

struct cell {
	enum mode mode;
	enum kind kind;
	const struct fault *fault;
	int from, times;
};

static struct cell cells[8192];
static size_t n_cells;

static struct world *now_playing;

/* Connections that find nobody. */
int connect(int fd, const struct sockaddr *to, socklen_t len)
{
	struct world *w = now_playing;
	if (w && to->sa_family == AF_INET && ((const struct sockaddr_in *)(const void *)to)->sin_port == htons((uint16_t)w->port)) {
		pthread_mutex_lock(&w->lock);
		bool refused = w->fault && w->fault->act == REFUSED && fault_now(w, CONNECTION);
		pthread_mutex_unlock(&w->lock);
		if (refused) {
			errno = ECONNREFUSED;
			return -1;
		}
	}
	return (int)syscall(SYS_connect, fd, to, len);
}

/* Names: one is this machine, unless the fault is on. */
int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
	static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	struct world *w = now_playing;
	if (!real)
		real = (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
	if (!w || !name || strcmp(name, TLS_HOST) != 0)
		return real(name, service, hints, ret);
	pthread_mutex_lock(&w->lock);
	bool fails = w->fault && w->fault->act == NO_NAME && fault_now(w, CONNECTION);
	pthread_mutex_unlock(&w->lock);
	return fails ? EAI_NONAME : real("127.0.0.1", service, hints, ret);
}

static const unsigned int asks[MODES] = {
	[HOOK] = WRITE | CONNECTION, [BATCH] = WRITE | CONNECTION, [READBACK] = WRITE | CHANGE | LOOKUP | CONNECTION,
	[OPERATION] = WRITE | LOOKUP | POLL | CONNECTION, [SIGNIN] = WRITE | TOKEN | CONNECTION, [APPEND] = WRITE | CONNECTION,
};

static bool makes_sense(enum mode mode, enum kind kind, const struct fault *f)
{
	static const enum act of_rows[] = { SWAPPED, MISSING_ROWS, REORDERED, EXTRA_ROWS, LATER_ROWS, REJECTED_ROWS };
	bool reads_answer = kind != WRITE || mode == BATCH || mode == SIGNIN || mode == OPERATION;
	if (!(asks[mode] & kind & f->where))
		return false;
	/* whose status is the receipt does not read what else is said */
	if (kind != TOKEN && !reads_answer && (f->act == ANSWER || f->act == DEEP || f->act == BOM || f->act == UTF16 || f->act == SWAPPED))
		return false;
	if (kind == CHANGE && (f->act == ANSWER || f->act == DEEP || f->act == BOM || f->act == UTF16))
		return false;
	for (size_t i = 0; i < STG_ARRAY_LEN(of_rows); i++)
		if (f->act == of_rows[i] && ((kind == WRITE && (mode == OPERATION || !reads_answer)) || kind == LOOKUP))
			return f->act == SWAPPED && kind == LOOKUP;
	if ((f->act == NASTY_REF || f->act == LOST_REF) && mode != OPERATION)
		return false;
	if ((f->act == PAGES_LOOP || f->act == PAGE_ELSEWHERE || f->act == OTHER_DATA) && mode != READBACK)
		return false;
	return true;
}

static void make_cells(void)
{
	static const int froms[] = { 1, 2 }, times[] = { 1, 3 };
	for (int m = 0; m < MODES; m++)
		for (unsigned int kind = WRITE; kind <= CONNECTION; kind *= 2)
			for (size_t f = 0; f < STG_ARRAY_LEN(faults); f++)
				for (size_t k = 0; k < 4 && makes_sense((enum mode)m, (enum kind)kind, &faults[f]); k++) {
					/* an answer that went to somebody else happens once: the question is asked twice, not for ever */
					if (faults[f].act == SWAPPED && kind == LOOKUP && times[k % 2] > 1)
						continue;
					cells[n_cells++] = (struct cell){ (enum mode)m, (enum kind)kind, &faults[f], froms[k / 2], times[k % 2] };
				}
}

/* ---- one cell ---- */

struct playing {
	struct site *site;
	struct world *w;
	const struct cell *cell;
	const char *target;
	char record[DEVICES][64], serial[DEVICES][STG_SERIAL_MAX], last[2][32];
	int rounds;
	int64_t passed_ms;
	char wrong[400];
};

static bool wrong(struct playing *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool wrong(struct playing *p, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (!p->wrong[0])
		vsnprintf(p->wrong, sizeof(p->wrong), fmt, ap);
	va_end(ap);
	return false;
}

static json_t *rows_of(struct playing *p)
{
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:s}", "target", p->target);
	json_t *rows = NULL;
	OK((rows = stg_store_outbox(p->site->st.s, filter, err)) != NULL);
	return rows;
}

static int count(const json_t *rows, const char *state)
{
	size_t i;
	json_t *row;
	int n = 0;
	json_array_foreach((json_t *)(uintptr_t)rows, i, row)
		n += strcmp(stg_json_str(row, "state"), state) == 0;
	return n;
}

/* Rounds until nothing moves any more. */
static bool until_at_rest(struct playing *p)
{
	int idle = 0;
	for (int n = 0; n < ROUNDS_MAX; n++) {
		int64_t delivered = 0, next = INT64_MAX, now;
		struct stg_error e = { 0 };
		int asked = p->w->requests;
		p->rounds++;
		if (!stg_push_round(&p->site->door, NULL, NULL, &delivered, &next, &e))
			return wrong(p, "round: [%u] %s", e.id, e.msg);
		const char *state = state_of(p->site, p->target);
		if (*state && !stg_push_state_id(state))
			return wrong(p, "the target's state '%s' has no sentence", state);
		STG_AUTO(stg_json_free_at) json_t *rows = rows_of(p);
		int open = count(rows, "queued") + count(rows, "in_doubt") + count(rows, "op_pending") + count(rows, "parked");
		if (count(rows, "sending"))
			return wrong(p, "a row stays 'sending'");
		if (!open)
			return true;
		/* without a key what is in doubt waits for a person, told so each hour */
		bool persons = p->cell->mode == APPEND && open == count(rows, "in_doubt") && !*state && asked == p->w->requests;
		idle = persons ? idle + 1 : 0;
		if (idle > 3)
			return true;
		now = stg_boot_ms();
		/* the station's push thread looks each minute; where nothing is due that costs nothing, and is left out */
		int64_t wait = next == INT64_MAX ? MOST_WAIT_MS : next - now;
		wait = wait < 1 ? 1 : wait;
		p->passed_ms += wait;
		own_time_pass(wait);
	}
	STG_AUTO(stg_json_free_at) json_t *rows = rows_of(p);
	return wrong(p, "stuck after %d rounds and %lld h: target '%s', queued %d, in doubt %d, op_pending %d", ROUNDS_MAX, (long long)p->passed_ms / 3600000,
		     state_of(p->site, p->target), count(rows, "queued"), count(rows, "in_doubt"), count(rows, "op_pending"));
}

static const char *told_to(struct playing *p, int i)
{
	struct world *w = p->w;
	switch (p->cell->mode) {
	case HOOK:
	case APPEND:
		return json_string_value(json_object_get(w->told, p->record[i]));
	case BATCH:
	case SIGNIN:
		return json_string_value(json_object_get(w->told, p->serial[i]));
	default: {
		const json_t *one = json_object_get(w->assets, p->serial[i]);
		const char *note = stg_json_str(one, "note");
		if (p->cell->mode == READBACK && (strncmp(note, "R=", 2) != 0 || strcmp(note + 2, p->record[i]) != 0))
			return NULL;
		return one ? "there" : NULL;
	}
	}
}

/* Only what the fault may leave behind; what is called delivered is there. */
static bool as_expected(struct playing *p)
{
	STG_AUTO(stg_json_free_at) json_t *rows = rows_of(p);
	unsigned int leaves = p->cell->fault->leaves;
	size_t i;
	json_t *row;
	if (json_array_size(rows) != DEVICES)
		return wrong(p, "%zu rows", json_array_size(rows));
	json_array_foreach(rows, i, row) {
		const char *state = stg_json_str(row, "state"), *text = stg_json_str(json_object_get(row, "answer"), "text");
		bool fine = strcmp(state, "delivered") == 0 || (strcmp(state, "rejected") == 0 && leaves & ROW) || (strcmp(state, "conflict") == 0 && leaves & CONFLICTS) ||
			    (strcmp(state, "in_doubt") == 0 && p->cell->mode == APPEND && leaves & DOUBT);
		if (!fine)
			return wrong(p, "unexpected: '%s' (%s)", state, text);
		if (strcmp(state, "delivered") != 0 && !*text)
			return wrong(p, "'%s' without a reason", state);
		for (int k = 0; k < DEVICES && strcmp(state, "delivered") == 0; k++)
			if (strcmp(p->record[k], stg_json_str(row, "record_id")) == 0 && !told_to(p, k))
				return wrong(p, "LOST: delivered, but the receiver has nothing (%s)", text);
	}
	return true;
}

/* What a person does about each row that waits for one. */
static void persons_word(struct playing *p)
{
	STG_AUTO(stg_json_free_at) json_t *rows = rows_of(p);
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row) {
		const char *state = stg_json_str(row, "state");
		int64_t id = stg_json_int(row, "id", 0);
		STG_AUTO(stg_json_free_at) json_t *answer = json_deep_copy(json_object_get(row, "answer"));
		bool there = json_object_get(p->w->told, stg_json_str(row, "record_id")) != NULL;
		if (strcmp(state, "conflict") == 0)
			stg_json_put(answer, "decided", "ours");
		if (strcmp(state, "delivered") != 0)
			OK(stg_store_outbox_settle(p->site->st.s, id, p->cell->mode == APPEND && strcmp(state, "in_doubt") == 0 && there ? "dropped" : "queued", 0, answer, err));
	}
}

static bool exactly_once(struct playing *p)
{
	struct world *w = p->w;
	STG_AUTO(stg_json_free_at) json_t *rows = rows_of(p);
	if (count(rows, "delivered") + count(rows, "dropped") != DEVICES)
		return wrong(p, "in the end %d of %d delivered", count(rows, "delivered"), DEVICES);
	for (int i = 0; i < DEVICES; i++)
		if (!told_to(p, i))
			return wrong(p, "LOST: %s", p->serial[i]);
	if (w->applied_again || w->two_bodies)
		return wrong(p, "DOUBLED: %d again, %d with two bodies", w->applied_again, w->two_bodies);
	size_t have = json_object_size(p->cell->mode == READBACK || p->cell->mode == OPERATION ? w->assets : w->told);
	return have == DEVICES || wrong(p, "the receiver holds %zu, not %d", have, DEVICES);
}

static void results(struct playing *p)
{
	struct site *s = p->site;
	json_object_clear(s->credentials);
	if (p->cell->mode == HOOK || p->cell->mode == SIGNIN)
		json_object_set_new(s->credentials, "secret", json_string(SECRET));
	p->target = receiver_add(s, p->w);
	/* the same devices are staged anew for each cell */
	s->phones = 0;
	stage(s, DEVICES);
	STG_AUTO(stg_json_free_at) json_t *rows = rows_of(p);
	for (int i = 0; i < DEVICES; i++) {
		stg_copy(p->record[i], sizeof(p->record[i]), stg_json_str(json_array_get(rows, (size_t)i), "record_id"));
		stg_copy(p->serial[i], sizeof(p->serial[i]), stg_json_str(json_array_get(rows, (size_t)i), "serial"));
		/* half of them the receiver knows already, without our words */
		if (p->cell->mode == READBACK && i % 2)
			asset_new(p->w, p->serial[i], "", "", 0);
	}
}

static void play_cell(struct site *s, const struct cell *cell, char *ret_wrong, size_t size, int *ret_met)
{
	struct playing p = { .site = s, .cell = cell };
	p.w = world_start();
	p.w->mode = cell->mode;
	if (OVER_TLS(cell->fault->act))
		world_tls(p.w);
	now_playing = p.w;
	results(&p);
	pthread_mutex_lock(&p.w->lock);
	p.w->fault = cell->fault;
	p.w->kind = cell->kind;
	p.w->from = cell->from;
	p.w->times = cell->times;
	pthread_mutex_unlock(&p.w->lock);
	bool ok = until_at_rest(&p) && as_expected(&p);
	if (ok) {
		pthread_mutex_lock(&p.w->lock);
		p.w->fault = NULL;
		pthread_mutex_unlock(&p.w->lock);
		persons_word(&p);
		ok = until_at_rest(&p) && exactly_once(&p);
	}
	*ret_met = p.w->met;
	snprintf(ret_wrong, size, "%s", ok ? "" : p.wrong);
	if (getenv("STG_CELL"))
		print_message("%d rounds, %lld s, %d requests\n", p.rounds, (long long)p.passed_ms / 1000, p.w->requests);
	now_playing = NULL;
	world_stop(p.w);
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	OK((row = stg_store_target(s->st.s, p.target, NULL, err)) != NULL);
	stg_json_put_bool(row, "enabled", false);
	OK(stg_store_target_put(s->st.s, row, stg_bytes(NULL, 0), err));
}

static const char *kind_name(enum kind k)
{
	return k == WRITE ? "write" : k == CHANGE ? "change" : k == LOOKUP ? "look-up" : k == POLL ? "poll" : k == TOKEN ? "token" : "connection";
}

/* These cells, in a process of their own. The number of those that went wrong. */
static int play_block(const size_t *chosen, size_t n, int *ret_met)
{
	int ends[2], got[2] = { -1, 0 };
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct site *s = site_start(STG_STORE_PRODUCTION);
		connectors_write(s);
		int bad = 0, met = 0;
		for (size_t i = 0; i < n; i++) {
			const struct cell *c = &cells[chosen[i]];
			char why[400];
			int m;
			play_cell(s, c, why, sizeof(why), &m);
			met += m > 0;
			if (getenv("STG_CELL") && !m)
				print_message("the fault was never met\n");
			if (!*why)
				continue;
			bad++;
			print_message("cell %zu: %s, %s, %s, from request %d, %d times: %s\n", chosen[i], mode_names[c->mode], kind_name(c->kind), c->fault->name, c->from, c->times, why);
		}
		site_stop(&s);
		int said[2] = { bad, met };
		if (write(ends[1], said, sizeof(said)) != sizeof(said))
			_exit(2);
		_exit(0);
	}
	close(ends[1]);
	if (read(ends[0], got, sizeof(got)) != sizeof(got))
		got[0] = -1;
	close(ends[0]);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	*ret_met += got[1];
	return got[0];
}

static long number_of(const char *name, long otherwise)
{
	const char *text = getenv(name);
	return text && *text ? strtol(text, NULL, 10) : otherwise;
}

static void whatever_goes_wrong_each_result_is_there_once(void **state)
{
	(void)state;
	static size_t chosen[8192];
	long want = number_of("STG_CELLS", SAMPLE), one = number_of("STG_CELL", -1);
	unsigned int seed = (unsigned int)number_of("STG_SEED", (long)(stg_wall_ms() & 0xffffff));
	size_t n = 0;
	int bad = 0, met = 0;
	make_cells();
	if (one >= 0)
		chosen[n++] = (size_t)one % n_cells;
	else if (getenv("STG_FAULT"))
		for (size_t i = 0; i < n_cells; i++) {
			if (strstr(cells[i].fault->name, getenv("STG_FAULT")))
				chosen[n++] = i;
		}
	else if (want <= 0 || (size_t)want >= n_cells)
		for (; n < n_cells; n++)
			chosen[n] = n;
	else
		/* one of each stretch, so that the sample is spread over all */
		for (unsigned int x = seed; n < (size_t)want; n++)
			chosen[n] = n * n_cells / (size_t)want + (size_t)rand_r(&x) % (n_cells / (size_t)want);
	print_message("%zu of %zu cells, seed %u (STG_SEED)\n", n, n_cells, seed);
	for (size_t at = 0; at < n; at += BLOCK) {
		int b = play_block(chosen + at, n - at < BLOCK ? n - at : BLOCK, &met);
		assert_true(b >= 0);
		bad += b;
	}
	print_message("%zu cells, in %d the fault was met; %d went wrong\n", n, met, bad);
	assert_int_equal(bad, 0);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	own_time_begin();
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_goes_wrong_each_result_is_there_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
