/*
 * forms.h - rows of the corpus about forms: frames, binary property lists, XML property lists.
 */
#ifndef HOSTILE_FORMS_H
#define HOSTILE_FORMS_H

#include "corpus.h"

/* ---- frames ---- */

static void frames(struct corpus *c)
{
	static const struct {
		const char *name, *then;
		const char *bytes;
		size_t len;
	} raw[] = {
		{ "silence", "then=mute", "", 0 },
		{ "hangs up", "then=close", "", 0 },
		{ "length 0", "", "\0\0\0\0", 4 },
		{ "length 1", "", "\0\0\0\1x", 5 },
		{ "length 3", "", "\0\0\0\3xyz", 7 },
		{ "length 0x7fffffff", "", "\x7f\xff\xff\xff<?xml", 9 },
		{ "length 0x80000000", "", "\x80\0\0\0<?xml", 9 },
		{ "length 0xfffffff0 and silence", "then=mute", "\xff\xff\xff\xf0", 4 },
		{ "length 0xfffffff0 and no end", "then=repeat mib=64", "\xff\xff\xff\xf0", 4 },
		{ "4 MiB announced, silence", "then=mute", "\0\x3f\xff\xff" "AAAA", 8 },
		{ "4 MiB announced, no end", "then=repeat mib=64", "\0\x3f\xff\xff" "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 64 },
		{ "16 MiB announced, no end", "then=repeat mib=64", "\0\xff\xff\xff" "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 64 },
		{ "closes in the length", "then=close", "\0\0", 2 },
		{ "stops in the length", "then=mute", "\0\0", 2 },
		{ "length in the other byte order", "", "\x40\0\0\0", 4 },
		{ "the web", "", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 43 },
		{ "a TLS record in the middle", "", "\x16\x03\x03\x00\x05hello", 10 },
		{ "one byte a second", "then=drip ms=1000", "\0\0\4\0<?xml version", 18 },
		{ "ten bytes a second", "then=drip ms=100", "\0\0\4\0<?xml version", 18 },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(raw); i++)
		for (size_t k = 0; k < STG_ARRAY_LEN(places); k++)
			row_always(c, places[k].where, raw[i].then, stg_bytes(raw[i].bytes, raw[i].len), places[k].name, raw[i].name);

	STG_AUTO(stg_buf_clear) struct stg_buf honest = framed(stg_bytes_str(HONEST)), twice = STG_BUF(BODY_MAX), empty = STG_BUF(BODY_MAX),
					       small = STG_BUF(BODY_MAX), zip = STG_BUF(BODY_MAX);
	struct stg_bytes one = stg_buf_view(&honest);
	put(&twice, one.data, one.len);
	put(&twice, one.data, one.len);
	for (size_t i = 0; i < 100000; i++)
		put(&empty, "\0\0\0\0", 4);
	for (size_t i = 0; i < 1000; i++)
		put(&small, "\0\0\0\x19" XML_HEAD, 4 + 25);
	put(&zip, "\0\0\1\0\x1f\x8b\x08\0", 8);
	for (size_t i = 0; i < 252; i++)
		put(&zip, "z", 1);
	for (size_t k = 0; k < STG_ARRAY_LEN(places); k++) {
		const char *w = places[k].where, *n = places[k].name;
		row_always(c, w, "then=answer", one, n, "two answers to one question");
		row_always(c, w, "", stg_buf_view(&twice), n, "the same answer twice");
		row_always(c, w, "", stg_buf_view(&empty), n, "100,000 empty frames");
		row_always(c, w, "", stg_buf_view(&small), n, "1,000 frames of half a document");
		row_always(c, w, "then=mute", stg_bytes(one.data, one.len - 1), n, "the last byte is missing");
		row_always(c, w, "then=close", stg_bytes(one.data, one.len - 1), n, "closes before the last byte");
		row_always(c, w, "", stg_buf_view(&zip), n, "compressed");
		row_always(c, w, "strip=1", one, n, "the answer in the clear");
		row_always(c, w, "strip=1 then=mute", stg_bytes("\x17\x03\x03\x40\x00", 5), n, "the head of a record and silence");
	}
	STG_AUTO(stg_buf_clear) struct stg_buf shorter = STG_BUF(BODY_MAX), longer = STG_BUF(BODY_MAX);
	put(&shorter, one.data, one.len);
	put(&longer, one.data, one.len);
	shorter.data[3] = (uint8_t)(shorter.data[3] - 9);
	longer.data[3] = (uint8_t)(longer.data[3] + 9);
	for (size_t k = 0; k < STG_ARRAY_LEN(places); k++) {
		row_always(c, places[k].where, "", stg_buf_view(&shorter), places[k].name, "a length shorter than its body");
		row_always(c, places[k].where, "then=mute", stg_buf_view(&longer), places[k].name, "a length longer than its body");
	}
}

/* ---- binary property lists ---- */

static void made(struct corpus *c, const char *name, struct maker *m)
{
	everywhere(c, name, &m->out);
}

/* Levels of arrays that hold the one below ten times each. */
static void bomb(struct corpus *c, const char *name, unsigned int levels)
{
	struct maker m = maker();
	for (unsigned int i = 0; i < levels; i++) {
		uint8_t level[11] = { 0xaa };
		memset(level + 1, (int)i + 1, 10);
		object(&m, level, sizeof(level));
	}
	OBJECT(&m, 0x51, 'A');
	finish(&m);
	made(c, name, &m);
}

static void deep(struct corpus *c, const char *name, size_t depth)
{
	struct stg_buf b = STG_BUF(BODY_MAX);
	size_t offsets;
	put_str(&b, "bplist00");
	for (size_t i = 0; i + 1 < depth; i++) {
		uint8_t one[5] = { 0xa1, (uint8_t)((i + 1) >> 24), (uint8_t)((i + 1) >> 16), (uint8_t)((i + 1) >> 8), (uint8_t)(i + 1) };
		put(&b, one, sizeof(one));
	}
	put(&b, "\xa0", 1);
	offsets = b.len;
	for (size_t i = 0; i < depth; i++)
		put_be32(&b, (uint32_t)(8 + 5 * i));
	put(&b, "\0\0\0\0\0\0\4\4", 8);
	big_endian(&b, depth, 8);
	big_endian(&b, 0, 8);
	big_endian(&b, offsets, 8);
	everywhere(c, name, &b);
}

/* One object as the whole document. */
static void sole(struct corpus *c, const char *name, const void *bytes, size_t len)
{
	struct maker m = maker();
	object(&m, bytes, len);
	finish(&m);
	made(c, name, &m);
}
#define SOLE(c, name, ...) sole(c, name, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void spoilt_trailers(struct corpus *c)
{
	static const struct {
		const char *name;
		struct trailer t;       /* n_objects, root, table: added to what is honest */
	} all[] = {
		{ "offsets of 0 bytes", { 0, 1, 0, 0, 0 } },
		{ "offsets of 9 bytes", { 9, 1, 0, 0, 0 } },
		{ "offsets of 255 bytes", { 255, 1, 0, 0, 0 } },
		{ "references of 0 bytes", { 2, 0, 0, 0, 0 } },
		{ "references of 9 bytes", { 2, 9, 0, 0, 0 } },
		{ "references of 255 bytes", { 2, 255, 0, 0, 0 } },
		{ "a root that is not there", { 2, 1, 0, 2, 0 } },
		{ "a root beyond counting", { 2, 1, 0, UINT64_C(1) << 63, 0 } },
		{ "no objects", { 2, 1, UINT64_MAX - 1, 0, 0 } },
		{ "2^32 objects", { 2, 1, UINT64_C(1) << 32, 0, 0 } },
		{ "2^63 objects", { 2, 1, UINT64_C(1) << 63, 0, 0 } },
		{ "a table in the header", { 2, 1, 0, 0, UINT64_MAX - 10 } },
		{ "a table in the trailer", { 2, 1, 0, 0, 8 } },
		{ "a table beyond counting", { 2, 1, 0, 0, UINT64_C(1) << 63 } },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++) {
		struct maker m = maker();
		struct trailer t = all[i].t;
		OBJECT(&m, 0xa1, 1);
		OBJECT(&m, 0x51, 'A');
		struct trailer h = honest(&m);
		t.n_objects += h.n_objects;
		t.table += h.table;
		if (t.root == 2)
			t.root = h.n_objects;
		finish_as(&m, t);
		made(c, all[i].name, &m);
	}
	struct maker m = maker();
	OBJECT(&m, 0xa1, 1);
	OBJECT(&m, 0x51, 'A');
	finish(&m);
	m.out.len -= 7;
	made(c, "a trailer cut short", &m);
	struct stg_buf head = STG_BUF(BODY_MAX);
	put_str(&head, "bplist00");
	everywhere(c, "a head and nothing else", &head);
	put_str(&head, "bplist17 and more of a later day.....................................");
	everywhere(c, "a version of a later day", &head);
}

static void binary(struct corpus *c)
{
	spoilt_trailers(c);
	bomb(c, "shared references, 10^4", 4);
	bomb(c, "shared references, 10^6", 6);
	bomb(c, "shared references, 10^9", 9);
	bomb(c, "shared references, 10^20", 20);
	deep(c, "63 deep", 63);
	deep(c, "64 deep", 64);
	deep(c, "65 deep", 65);
	deep(c, "512 deep", 512);
	deep(c, "40,000 deep", 40000);
	deep(c, "99,999 deep", 99999);
	SOLE(c, "an array that holds itself", 0xa1, 0);
	SOLE(c, "a dictionary that is its own key", 0xd1, 0, 0);
	SOLE(c, "a string over the end", 0x5f, 0x13, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'A');
	SOLE(c, "a string that says 300 and has 1", 0x5f, 0x11, 1, 44, 'A');
	SOLE(c, "data over the end", 0x4f, 0x12, 0xff, 0xff, 0xff, 0xff, 'A');
	SOLE(c, "an array over the end", 0xaf, 0x13, 0x10, 0, 0, 0, 0, 0, 0, 0);
	SOLE(c, "a dictionary of 2^63", 0xdf, 0x13, 0x80, 0, 0, 0, 0, 0, 0, 0);
	SOLE(c, "a length that is a string", 0x5f, 0x51, 'A');
	SOLE(c, "an integer of 16 bytes", 0x14, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
	SOLE(c, "an integer of 32 bytes", 0x15, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
	SOLE(c, "a real of 16 bytes", 0x24, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
	SOLE(c, "a date that is no number", 0x33, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0);
	SOLE(c, "a date without end", 0x33, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0);
	SOLE(c, "a date in the year 10^9", 0x33, 0x43, 0x5c, 0x06, 0xa8, 0, 0, 0, 0);
	SOLE(c, "a UID as the answer", 0x83, 0xff, 0xff, 0xff, 0xff);
	SOLE(c, "a UID of 16 bytes", 0x8f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
	SOLE(c, "nothing as the answer", 0x00);
	SOLE(c, "an object of no kind", 0xf3, 1, 2, 3);
	SOLE(c, "half a character of 16 bits", 0x62, 0xd8, 0, 0, 'A');
	SOLE(c, "an empty string of 16 bits", 0x60);
	SOLE(c, "a zero in a string", 0x53, 'A', 0, 'B');
	SOLE(c, "a string that is not UTF-8", 0x53, 0xff, 0xfe, 0xc0);
	SOLE(c, "a number as the answer", 0x13, 0x80, 0, 0, 0, 0, 0, 0, 0);
	static const struct {
		const char *name;
		uint8_t root[5];
		size_t len;
	} pairs[] = {
		{ "a key twice", { 0xd2, 1, 1, 2, 2 }, 5 },
		{ "a number as key", { 0xd1, 3, 2 }, 3 },
		{ "a UID as key", { 0xd1, 4, 2 }, 3 },
		{ "two that hold one another", { 0xa1, 5 }, 2 },
		{ "an object that is not there", { 0xa1, 200 }, 2 },
		{ "a UID where a text is due", { 0xd1, 1, 4 }, 3 },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(pairs); i++) {
		struct maker m = maker();
		object(&m, pairs[i].root, pairs[i].len);
		OBJECT(&m, 0x57, 'R', 'e', 'q', 'u', 'e', 's', 't');
		OBJECT(&m, 0x51, 'A');
		OBJECT(&m, 0x10, 7);
		OBJECT(&m, 0x80, 7);
		OBJECT(&m, 0xa1, 0);
		finish(&m);
		made(c, pairs[i].name, &m);
	}
	struct maker m = maker();
	OBJECT(&m, 0xa2, 1, 2);
	OBJECT(&m, 0x57, 'o', 'v', 'e', 'r', 'l', 'a', 'p');
	OBJECT(&m, 0x51, 'A');
	m.offset[2] = m.offset[1];
	m.offset[1]--;
	finish(&m);
	made(c, "objects that overlap", &m);
}

/* ---- XML property lists ---- */

static void text(struct corpus *c, const char *name, const char *body)
{
	struct stg_buf b = STG_BUF(BODY_MAX);
	put_str(&b, body);
	everywhere(c, name, &b);
}

static void texts(struct corpus *c, const char *name, const char *before, const char *middle, size_t times, const char *after)
{
	struct stg_buf b = STG_BUF(BODY_MAX);
	put_str(&b, before);
	put_times(&b, middle, times);
	put_str(&b, after);
	everywhere(c, name, &b);
}

static void xml(struct corpus *c)
{
	static const struct {
		const char *name, *body;
	} all[] = {
		{ "entities of its own", "<?xml version=\"1.0\"?><!DOCTYPE plist [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">"
			"<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">]><plist version=\"1.0\"><string>&c;</string></plist>" },
		{ "an entity from a file", "<?xml version=\"1.0\"?><!DOCTYPE plist [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><plist version=\"1.0\"><string>&a;</string></plist>" },
		{ "an entity nobody knows", XML_HEAD "<string>&hallo;</string></plist>" },
		{ "the character 0", XML_HEAD "<string>a&#0;b</string></plist>" },
		{ "a character beyond Unicode", XML_HEAD "<string>&#x110000;</string></plist>" },
		{ "nothing closed", XML_HEAD "<dict><key>Request</key><array><dict>" },
		{ "closed in the wrong order", XML_HEAD "<dict><key>a</key><array></dict></array></plist>" },
		{ "base64 that is none", XML_HEAD "<dict><key>Value</key><data>!!!!====AAA</data></dict></plist>" },
		{ "control characters", XML_HEAD "<dict><key>Value</key><string>a\x01\x02\x1b[2Jb</string></dict></plist>" },
		{ "UTF-8 in more bytes than it needs", XML_HEAD "<dict><key>Value</key><string>\xc0\xaf\xe0\x80\xaf</string></dict></plist>" },
		{ "UTF-8 broken off", XML_HEAD "<dict><key>Value</key><string>\xe2\x82</string></dict></plist>" },
		{ "two roots", XML_HEAD "<dict/><dict/></plist>" },
		{ "two documents", HONEST HONEST },
		{ "a comment without an end", XML_HEAD "<!-- <dict/></plist>" },
		{ "CDATA without an end", XML_HEAD "<string><![CDATA[ </string></plist>" },
		{ "a number of letters", XML_HEAD "<dict><key>Value</key><integer>0xzz</integer></dict></plist>" },
		{ "a real that is no number", XML_HEAD "<dict><key>Value</key><real>nan</real></dict></plist>" },
		{ "a date of words", XML_HEAD "<dict><key>Value</key><date>yesterday</date></dict></plist>" },
		{ "a date in month 99", XML_HEAD "<dict><key>Value</key><date>2026-99-99T99:99:99Z</date></dict></plist>" },
		{ "a key without a value", XML_HEAD "<dict><key>Value</key></dict></plist>" },
		{ "a value without a key", XML_HEAD "<dict><string>Value</string></dict></plist>" },
		{ "the same key twice", XML_HEAD "<dict><key>Request</key><string>GetValue</string><key>Request</key><string>Pair</string></dict></plist>" },
		{ "an empty document", XML_HEAD "</plist>" },
		{ "a prolog and nothing else", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" },
		{ "a tag nobody knows", XML_HEAD "<script>alert(1)</script></plist>" },
		{ "a list in the list", XML_HEAD "<plist version=\"1.0\"><dict/></plist></plist>" },
		{ "16-bit characters", "\xff\xfe<\0p\0l\0i\0s\0t\0" "................" },
		{ "a web page", "<!DOCTYPE html><html><body>captive portal</body></html>" },
	};
	char digits[700] = XML_HEAD "<dict><key>Value</key><integer>";
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++)
		text(c, all[i].name, all[i].body);
	size_t at = strlen(digits);
	memset(digits + at, '9', 500);
	snprintf(digits + at + 500, sizeof(digits) - at - 500, "</integer></dict></plist>");
	text(c, "an integer of 500 digits", digits);
	texts(c, "XML 65 deep", XML_HEAD, "<array>", 65, "");
	texts(c, "XML 100,000 deep", XML_HEAD, "<array>", 100000, "");
	texts(c, "an attribute of 1 MiB", "<plist version=\"", "1.0 ", 1 << 18, "\"><dict/></plist>");
	texts(c, "a million comments", XML_HEAD, "<!---->", 500000, "<dict/></plist>");
	texts(c, "3 MiB of nothing", XML_HEAD, "                ", 3 << 16, "<dict/></plist>");
	texts(c, "500,000 values", XML_HEAD "<array>", "<true/>", 500000, "</array></plist>");
	texts(c, "a text of 3 MiB", XML_HEAD "<string>", "aaaaaaaaaaaaaaaa", 3 << 16, "</string></plist>");
	texts(c, "a key of 64 KiB", XML_HEAD "<dict><key>", "aaaaaaaaaaaaaaaa", 1 << 12, "</key><true/></dict></plist>");
	texts(c, "100,000 declarations", "", "<?xml version=\"1.0\"?>", 100000, "<plist version=\"1.0\"><dict/></plist>");
}

static void forms(struct corpus *c)
{
	frames(c);
	binary(c);
	xml(c);
}

#endif
