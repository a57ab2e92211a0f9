/*
 * test_mux.c - usbmuxd itself says what it never would, or passes on what a hostile device calls itself, while seven devices are
 * staged: nobody is lost, nobody is made up, and the seven end as they should.
 */
#include "look.h"

#include "corpus.h"

#define GOOD 7
#define GHOST 5000              /* DeviceIDs of devices that are not there */

#define MANY 2000               /* more at once than a bench has ports */

static struct stg_buf frame(uint32_t len, uint32_t version, uint32_t message, const char *body, size_t body_len)
{
	struct stg_buf b = STG_BUF(BODY_MAX);
	put_le(&b, len ? len : 16 + body_len, 4);
	put_le(&b, version, 4);
	put_le(&b, message, 4);
	put_le(&b, 0, 4);
	put(&b, body, body_len);
	return b;
}

static void say(struct journey *j, struct stg_buf *b /* taken */)
{
	struct stg_error err = { 0 };
	char path[200];
	snprintf(path, sizeof(path), "%s/say", j->dir);
	journey_must(stg_file_write(path, stg_buf_view(b), 0600, &err), &err, "say");
	stg_buf_clear(b);
	journey_tell(j, "mux", "say", path, NULL);
}

static void say_text(struct journey *j, const char *dict)
{
	char body[4000];
	snprintf(body, sizeof(body), XML_HEAD "<dict>%s</dict></plist>", dict);
	struct stg_buf b = frame(0, 1, 8, body, strlen(body));
	say(j, &b);
}

#define ATTACHED(id, properties) "<key>MessageType</key><string>Attached</string><key>DeviceID</key>" id "<key>Properties</key>" properties
#define USB "<key>ConnectionType</key><string>USB</string><key>ProductID</key><integer>4779</integer>"
#define NAMED(serial) "<dict>" USB "<key>SerialNumber</key>" serial "</dict>"

static void say_detached(struct journey *j, unsigned int id)
{
	char dict[200];
	snprintf(dict, sizeof(dict), "<key>MessageType</key><string>Detached</string><key>DeviceID</key><integer>%u</integer>", id);
	say_text(j, dict);
}

/* What is well framed and means nothing, or means a device that is not there. */
static const char *const odd[] = {
	ATTACHED("<integer>1</integer>", NAMED("<string>00008101-001A8F6A0FC40126</string>")),
	ATTACHED("<integer>5000</integer>", "<dict>" USB "</dict>"),
	ATTACHED("<integer>5001</integer>", NAMED("<string></string>")),
	ATTACHED("<integer>5002</integer>", NAMED("<string>../../../../etc/passwd</string>")),
	ATTACHED("<integer>5003</integer>", NAMED("<array/>")),
	ATTACHED("<integer>5004</integer>", NAMED("<string>\xe2\x80\xae" "gnp.exe &lt;script&gt;</string>")),
	ATTACHED("<integer>5005</integer>", NAMED("<string>00008101-001A8F6A0FC4AAAA</string>")),
	ATTACHED("<integer>5005</integer>", NAMED("<string>00008101-001A8F6A0FC4BBBB</string>")),
	ATTACHED("<integer>0</integer>", NAMED("<string>00008101-001A8F6A0FC4CCCC</string>")),
	ATTACHED("<integer>-1</integer>", NAMED("<string>00008101-001A8F6A0FC4DDDD</string>")),
	ATTACHED("<integer>18446744073709551615</integer>", NAMED("<string>00008101-001A8F6A0FC4EEEE</string>")),
	ATTACHED("<string>5006</string>", NAMED("<string>00008101-001A8F6A0FC4FFFF</string>")),
	ATTACHED("<integer>5007</integer>", "<array/>"),
	ATTACHED("<integer>5008</integer>", NAMED("<string>a\x01\x02\x1b[2Jb</string>")),   /* a USB serial with control characters */
	ATTACHED("<integer>5009</integer>", NAMED("<string>\xff\xfe</string>")),
	"<key>MessageType</key><string>Detached</string><key>DeviceID</key><string>1</string>",
	"<key>MessageType</key><string>Detached</string><key>DeviceID</key><integer>4711</integer>",
	"<key>MessageType</key><string>Detached</string>",
	"<key>MessageType</key><string>Result</string><key>Number</key><integer>0</integer>",
	"<key>MessageType</key><string>Result</string><key>Number</key><integer>3</integer>",
	"<key>MessageType</key><string>Paired</string><key>DeviceID</key><integer>4711</integer>",
	"<key>MessageType</key><array/>",
	"<key>MessageType</key><string>TheMoonIsFull</string>",
	"",
};

static const struct {
	const char *body;
	size_t len;
} bodies[] = {
	{ XML_HEAD "<array/></plist>", sizeof(XML_HEAD "<array/></plist>") - 1 },
	{ "<!DOCTYPE p [<!ENTITY a \"aaaa\">]><plist><string>&a;</string></plist>", 66 },
	{ "bplist00\xaa\1\1\1\1\1\1\1\1\1\1", 19 },
	{ "\0\0\0\0\0\0\0\0", 8 },
	{ "", 0 },
};

/* After these there is nothing to hold on to: the connection is made anew. */
static const struct {
	uint32_t len, version, message;
} breaks[] = { { 1, 1, 8 }, { 15, 1, 8 }, { 0xfffffff0u, 1, 8 }, { 0, 0, 8 }, { 0, 1, 99 }, { 0, 0xffffffffu, 0xffffffffu } };

static json_t *listed(struct journey *j)
{
	return journey_op(j, "devices", json_object(), NULL);
}

static bool only_the_good(struct journey *j, void *ctx)
{
	(void)ctx;
	STG_AUTO(stg_json_free_at) json_t *list = listed(j);
	return json_array_size(list) == GOOD;
}

static void expect_the_seven(struct journey *j, const char *when)
{
	if (look_until(j, only_the_good, NULL, 60000))
		return;
	STG_AUTO(stg_json_free_at) json_t *list = listed(j);
	print_message("%zu devices\n", json_array_size(list));
	for (size_t i = 0; i < json_array_size(list) && i < 12; i++)
		look_print("device", json_incref(json_array_get(list, i)));
	fail_msg("%s: not the seven alone", when);
}

static void what_usbmuxd_says_loses_and_invents_nobody(void **state)
{
	(void)state;
	struct journey j;
	journey_begin(&j, GOOD, "fast", 43, NULL);
	journey_batch(&j, "ipad-hospital-ward", "pool");
	journey_tell(&j, "plug", "all", NULL, NULL);
	for (size_t i = 0; i < STG_ARRAY_LEN(odd); i++)
		say_text(&j, odd[i]);
	for (size_t i = 0; i < STG_ARRAY_LEN(bodies); i++) {
		struct stg_buf b = frame(0, 1, 8, bodies[i].body, bodies[i].len);
		say(&j, &b);
	}
	STG_AUTO(stg_buf_clear) struct stg_buf three_hundred = STG_BUF(BODY_MAX);
	put_str(&three_hundred, ATTACHED("<integer>5010</integer>", "<dict>" USB "<key>SerialNumber</key><string>"));
	put_times(&three_hundred, "0123456789", 30);
	put_str(&three_hundred, "</string></dict>");
	say_text(&j, stg_buf_str(&three_hundred));
	for (unsigned int i = 0; i < 16; i++)
		say_detached(&j, GHOST + i);
	expect_the_seven(&j, "odd words");
	assert_true(journey_wait_staged(&j, GOOD, LOOK_MS));
	/* none of it was a reason to let go of usbmuxd */
	STG_AUTO(stg_json_free_at) json_t *stats = journey_word(&j, "stats", NULL, NULL, NULL);
	assert_int_equal(stg_json_int(json_object_get(stats, "counts"), "mux Listen", 0), 1);
	journey_end(&j);
}

/* The crowd as one piece of bytes: it comes, or it goes. */
static void say_crowd(struct journey *j, bool comes)
{
	struct stg_buf b = STG_BUF(BODY_MAX);
	for (unsigned int i = 0; i < MANY; i++) {
		char body[700];
		if (comes)
			snprintf(body, sizeof(body), XML_HEAD "<dict>" ATTACHED("<integer>%u</integer>", NAMED("<string>00008101-001A8F6A%08X</string>")) "</dict></plist>",
				 GHOST + i, i);
		else
			snprintf(body, sizeof(body), XML_HEAD "<dict><key>MessageType</key><string>Detached</string><key>DeviceID</key><integer>%u</integer></dict></plist>",
				 GHOST + i);
		STG_AUTO(stg_buf_clear) struct stg_buf one = frame(0, 1, 8, body, strlen(body));
		put(&b, one.data, one.len);
	}
	say(j, &b);
}

struct crowd {
	size_t there, touched, without_reason;
};

/* Those that are not there, as the station shows them. */
static struct crowd look_crowd(struct journey *j)
{
	char code[16];
	struct crowd n = { 0 };
	snprintf(code, sizeof(code), "STG-%d", STG_ID_NOT_IN_TREE);
	STG_AUTO(stg_json_free_at) json_t *list = listed(j);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *slot = json_array_get(list, i);
		if (strncmp(stg_json_str(slot, "udid"), "00008101-001A8F6A", 17) != 0)
			continue;
		n.there++;
		n.touched += strcmp(stg_json_str(slot, "state"), "listed") != 0;
		n.without_reason += strcmp(stg_json_str(slot, "code"), code) != 0;
	}
	return n;
}

static bool all_the_crowd(struct journey *j, void *ctx)
{
	(void)ctx;
	return look_crowd(j).there == MANY;
}

static void a_crowd_that_is_not_there_does_not_stop_the_seven(void **state)
{
	(void)state;
	struct journey j;
	journey_begin(&j, GOOD, "fast", 44, NULL);
	journey_batch(&j, "ipad-hospital-ward", "pool");
	say_crowd(&j, true);
	journey_tell(&j, "plug", "all", NULL, NULL);
	bool all = journey_wait_staged(&j, GOOD, LOOK_MS);
	if (!all)
		look_print("batch", journey_op(&j, "batch.show", json_pack("{s:s}", "name", BATCH), NULL));
	assert_true(all);
	/* it was there all the time, and nobody ever spoke to one of it */
	assert_true(look_until(&j, all_the_crowd, NULL, 60000));
	struct crowd n = look_crowd(&j);
	assert_int_equal(n.touched, 0);
	assert_int_equal(n.without_reason, 0);
	say_crowd(&j, false);
	expect_the_seven(&j, "a crowd");
	journey_end(&j);
}

#define FIRST "TWINFIRST1"
#define SECOND "TWINOTHER2"
#define TWINS "00008110-001A8F6A0FC40126"

static void twins(char ret_path[64])
{
	struct stg_error err = { 0 };
	char text[600];
	snprintf(text, sizeof(text), "{\"devices\": [{\"model\": \"iPad12,1\", \"serial\": \"" FIRST "\", \"udid\": \"" TWINS "\", \"plugged\": false},"
		 "{\"model\": \"iPad12,1\", \"serial\": \"" SECOND "\", \"udid\": \"" TWINS "\", \"plugged\": false}]}");
	snprintf(ret_path, 64, "/tmp/stgtwin-XXXXXX");
	int fd = mkstemp(ret_path);
	assert_true(fd >= 0);
	close(fd);
	journey_must(stg_file_write(ret_path, stg_bytes_str(text), 0600, &err), &err, "scenario");
}

/* What stands on this device's port, as the station shows it. A new reference, NULL: nothing. */
static json_t *on_port_of(struct journey *j, const char *serial)
{
	STG_AUTO(stg_json_free_at) json_t *device = look_device(j, serial), *list = listed(j);
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(stg_json_str(json_array_get(list, i), "port"), stg_json_str(device, "port")) == 0)
			return json_incref(json_array_get(list, i));
	return NULL;
}

static bool second_is_shown(struct journey *j, void *ctx)
{
	(void)ctx;
	STG_AUTO(stg_json_free_at) json_t *slot = on_port_of(j, SECOND);
	return slot && *stg_json_str(slot, "code");
}

static void who_says_anothers_name_does_not_take_its_place(void **state)
{
	(void)state;
	struct journey j;
	char path[64], code[16];
	twins(path);
	journey_begin(&j, 0, "fast", 46, (const char *const[]){ "--scenario", path, NULL });
	unlink(path);
	snprintf(code, sizeof(code), "STG-%d", STG_ID_TWO_ALIKE);
	journey_batch(&j, "ipad-hospital-ward", "pool");
	/* a name that is said of nobody keeps nobody out */
	say_text(&j, ATTACHED("<integer>5001</integer>", NAMED("<string>" TWINS "</string>")));
	look_wait_slot(&j, TWINS, "state", "listed");
	journey_tell(&j, "plug", FIRST, NULL, NULL);
	look_wait_slot(&j, TWINS, "state", "working");
	say_detached(&j, GHOST + 1);
	STG_AUTO(stg_json_free_at) json_t *before = look_slot(&j, TWINS);
	journey_tell(&j, "plug", SECOND, NULL, NULL);
	assert_true(look_until(&j, second_is_shown, NULL, 60000));
	STG_AUTO(stg_json_free_at) json_t *second = on_port_of(&j, SECOND), *after = look_slot(&j, TWINS);
	assert_string_equal(stg_json_str(second, "code"), code);
	assert_string_equal(stg_json_str(second, "state"), "hold");
	assert_int_equal(stg_json_int(after, "attach", 0), stg_json_int(before, "attach", -1));
	look_wait_slot(&j, TWINS, "state", "staged");
	assert_int_equal(look_requests(&j, SECOND), 0);
	/* a word of usbmuxd alone, with no second device in the tree: the same */
	say_text(&j, ATTACHED("<integer>5000</integer>", NAMED("<string>" TWINS "</string>")));
	journey_tell(&j, "unplug", SECOND, NULL, NULL);
	say_detached(&j, GHOST);
	journey_let_pass(&j, 3, 5000);
	STG_AUTO(stg_json_free_at) json_t *last = look_slot(&j, TWINS);
	assert_int_equal(stg_json_int(last, "attach", 0), stg_json_int(before, "attach", -1));
	assert_string_equal(stg_json_str(last, "state"), "staged");
	/* alone, it is looked at as any other */
	journey_tell(&j, "unplug", FIRST, NULL, NULL);
	journey_tell(&j, "plug", FIRST, NULL, NULL);
	look_wait_slot(&j, TWINS, "state", "staged");
	journey_end(&j);
}

static void a_mux_that_breaks_off_its_words_is_asked_again_and_all_goes_on(void **state)
{
	(void)state;
	struct journey j;
	journey_begin(&j, GOOD, "fast", 45, NULL);
	journey_batch(&j, "ipad-hospital-ward", "pool");
	journey_tell(&j, "plug", "all", NULL, NULL);
	for (size_t i = 0; i < STG_ARRAY_LEN(breaks); i++) {
		struct stg_buf b = frame(breaks[i].len, breaks[i].version, breaks[i].message, "", 0);
		say(&j, &b);
		journey_let_pass(&j, 10, 2000);
	}
	assert_true(journey_wait_staged(&j, GOOD, LOOK_MS));
	expect_the_seven(&j, "broken words");
	assert_true(journey_wait_drained(&j, LOOK_MS));
	journey_agrees(&j, GOOD);
	journey_end(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_usbmuxd_says_loses_and_invents_nobody),
		cmocka_unit_test(a_mux_that_breaks_off_its_words_is_asked_again_and_all_goes_on),
		cmocka_unit_test(a_crowd_that_is_not_there_does_not_stop_the_seven),
		cmocka_unit_test(who_says_anothers_name_does_not_take_its_place),
	};
	if (getenv("STG_TEST"))
		cmocka_set_test_filter(getenv("STG_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
