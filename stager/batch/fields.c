/*
 * fields.c - the columns we know by their many headings, and the rules of their values.
 *
 * For:    csv.c.
 * Uses:   <stager/identity.h> for IMEIs.
 * Called: per heading and per cell.
 * Thread: any.
 * Facts:  normal forms and placeholder serials of mdm-push 2.2.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <stager/identity.h>

#include "parts.h"

const char *const batch_field_names[BATCH_FIELDS] = {
	[BATCH_SERIAL] = "serial", [BATCH_UDID] = "udid", [BATCH_ECID] = "ecid", [BATCH_IMEI] = "imei", [BATCH_IMEI2] = "imei2",
	[BATCH_NAME] = "name", [BATCH_ASSET_TAG] = "asset_tag", [BATCH_OWNERSHIP] = "ownership",
	[BATCH_OWNER] = "owner",
};

/* Headings without accents, case, blanks and signs. "owner" is a person, so it is no ownership; it is kept as an attribute. */
static const struct heading {
	const char *folded;
	enum batch_field field;
} headings[] = {
	{ "serial", BATCH_SERIAL }, { "serialnumber", BATCH_SERIAL }, { "serialno", BATCH_SERIAL }, { "serialnum", BATCH_SERIAL },
	{ "serialnr", BATCH_SERIAL }, { "serialn", BATCH_SERIAL }, { "sn", BATCH_SERIAL }, { "deviceserialnumber", BATCH_SERIAL },
	{ "deviceserial", BATCH_SERIAL }, { "hardwareserialnumber", BATCH_SERIAL }, { "hardwareserial", BATCH_SERIAL },
	{ "appleserialnumber", BATCH_SERIAL }, { "ndeserie", BATCH_SERIAL }, { "nserie", BATCH_SERIAL },
	{ "nodeserie", BATCH_SERIAL }, { "noserie", BATCH_SERIAL }, { "numdeserie", BATCH_SERIAL }, { "numserie", BATCH_SERIAL },
	{ "numerodeserie", BATCH_SERIAL }, { "numeroserie", BATCH_SERIAL }, { "numerosdeserie", BATCH_SERIAL }, { "deserie", BATCH_SERIAL },
	{ "serie", BATCH_SERIAL }, { "ndeseries", BATCH_SERIAL }, { "numerodeserieappareil", BATCH_SERIAL },
	{ "numerodeseriedelappareil", BATCH_SERIAL },
	{ "udid", BATCH_UDID }, { "deviceudid", BATCH_UDID }, { "appleudid", BATCH_UDID }, { "uniquedeviceidentifier", BATCH_UDID },
	{ "uniquedeviceid", BATCH_UDID }, { "identifiantunique", BATCH_UDID },
	{ "ecid", BATCH_ECID }, { "ecidhex", BATCH_ECID }, { "ecidhexa", BATCH_ECID }, { "ecidhexadecimal", BATCH_ECID }, { "ecidhexadecimale", BATCH_ECID },
	{ "eciddec", BATCH_ECID }, { "eciddecimal", BATCH_ECID }, { "uniquechipid", BATCH_ECID }, { "exclusivechipid", BATCH_ECID }, { "chipid", BATCH_ECID },
	{ "imei", BATCH_IMEI }, { "imei1", BATCH_IMEI }, { "imeino", BATCH_IMEI }, { "imein", BATCH_IMEI }, { "imeinumber", BATCH_IMEI },
	{ "imei1number", BATCH_IMEI }, { "imeisim1", BATCH_IMEI }, { "imeislot1", BATCH_IMEI }, { "primaryimei", BATCH_IMEI }, { "deviceimei", BATCH_IMEI },
	{ "imeimeid", BATCH_IMEI }, { "nimei", BATCH_IMEI }, { "noimei", BATCH_IMEI }, { "ndimei", BATCH_IMEI }, { "numeroimei", BATCH_IMEI },
	{ "numerodimei", BATCH_IMEI }, { "numimei", BATCH_IMEI }, { "codeimei", BATCH_IMEI }, { "imeiprincipal", BATCH_IMEI },
	{ "imei2", BATCH_IMEI2 }, { "imei2number", BATCH_IMEI2 }, { "imeisim2", BATCH_IMEI2 }, { "imeislot2", BATCH_IMEI2 }, { "secondimei", BATCH_IMEI2 },
	{ "secondaryimei", BATCH_IMEI2 }, { "imeiesim", BATCH_IMEI2 }, { "imeisecondaire", BATCH_IMEI2 }, { "nimei2", BATCH_IMEI2 }, { "numeroimei2", BATCH_IMEI2 },
	{ "name", BATCH_NAME }, { "devicename", BATCH_NAME }, { "hostname", BATCH_NAME }, { "computername", BATCH_NAME }, { "nom", BATCH_NAME },
	{ "nomappareil", BATCH_NAME }, { "nomdelappareil", BATCH_NAME }, { "nomdappareil", BATCH_NAME }, { "nomdumateriel", BATCH_NAME },
	{ "nomduterminal", BATCH_NAME }, { "nomdelatablette", BATCH_NAME }, { "nomdutelephone", BATCH_NAME }, { "nomduposte", BATCH_NAME },
	{ "assettag", BATCH_ASSET_TAG }, { "asset", BATCH_ASSET_TAG }, { "assetno", BATCH_ASSET_TAG }, { "assetnumber", BATCH_ASSET_TAG },
	{ "assetid", BATCH_ASSET_TAG }, { "assetcode", BATCH_ASSET_TAG }, { "tag", BATCH_ASSET_TAG }, { "inventorynumber", BATCH_ASSET_TAG },
	{ "inventoryno", BATCH_ASSET_TAG }, { "inventorytag", BATCH_ASSET_TAG }, { "etiquette", BATCH_ASSET_TAG }, { "netiquette", BATCH_ASSET_TAG },
	{ "numeroetiquette", BATCH_ASSET_TAG }, { "numerodetiquette", BATCH_ASSET_TAG }, { "ndetiquette", BATCH_ASSET_TAG }, { "inventaire", BATCH_ASSET_TAG },
	{ "ninventaire", BATCH_ASSET_TAG }, { "ndinventaire", BATCH_ASSET_TAG }, { "noinventaire", BATCH_ASSET_TAG }, { "numinventaire", BATCH_ASSET_TAG },
	{ "numeroinventaire", BATCH_ASSET_TAG }, { "numerodinventaire", BATCH_ASSET_TAG }, { "codeinventaire", BATCH_ASSET_TAG },
	{ "ownership", BATCH_OWNERSHIP }, { "deviceownership", BATCH_OWNERSHIP }, { "propriete", BATCH_OWNERSHIP }, { "appartenance", BATCH_OWNERSHIP },
	{ "owner", BATCH_OWNER },
};

/* Plain letter for a code point of Latin-1 and its French neighbours, "" for signs. */
static const char *fold(uint32_t c, char one[2])
{
	static const char *const latin[] = {
		"a", "a", "a", "a", "a", "a", "ae", "c", "e", "e", "e", "e", "i", "i", "i", "i", "d", "n", "o", "o", "o", "o", "o", "", "o",
		"u", "u", "u", "u", "y", "", "ss",
	};
	one[0] = one[1] = 0;
	if (c < 0x80) {
		if (isalnum((int)c))
			one[0] = (char)tolower((int)c);
		return one;
	}
	if (c >= 0xc0 && c <= 0xff)
		return c == 0xff ? "y" : latin[(c - 0xc0) & 0x1f];
	return c == 0x152 || c == 0x153 ? "oe" : "";
}

static uint32_t next_point(const char **s)
{
	const uint8_t *p = (const uint8_t *)*s;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80) {    /* text is UTF-8 by now, but a heading may have been cut */
			*s += i;
			return 0;
		}
		c = c << 6 | (p[i] & 0x3fu);
	}
	*s += n;
	return c;
}

enum batch_field batch_field_of(const char *heading, char ret_key[64])
{
	char folded[64] = "", one[2];
	size_t n = 0, k = 0;
	bool gap = false;
	for (const char *p = heading; *p;) {
		uint32_t c = next_point(&p);
		if (c >= 0x300 && c < 0x370)
			continue;               /* an accent written apart, as macOS does */
		const char *letters = fold(c, one);
		gap = gap || !*letters;
		for (; *letters; letters++) {
			if (gap && k && k < 62)
				ret_key[k++] = '_';
			gap = false;
			if (k < 63)
				ret_key[k++] = *letters;
			if (n < sizeof(folded) - 1)
				folded[n++] = *letters;
		}
	}
	folded[n] = ret_key[k] = 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(headings); i++)
		if (strcmp(headings[i].folded, folded) == 0)
			return headings[i].field;
	return BATCH_FIELDS;
}

const char *stg_batchfile_field(const char *heading, char ret_key[64])
{
	enum batch_field f = batch_field_of(heading, ret_key);
	return f < BATCH_FIELDS && f != BATCH_OWNER ? batch_field_names[f] : NULL;      /* an owner is an attribute */
}

/* ---- values ---- */

/* ="0123" keeps digits in a spreadsheet; a leading apostrophe marks text. */
static void unwrap(const char *cell, bool is_identifier, char *ret, size_t size)
{
	size_t n = strlen(cell);
	if (n >= 3 && strncmp(cell, "=\"", 2) == 0 && cell[n - 1] == '"') {
		snprintf(ret, size, "%.*s", (int)(n - 3), cell + 2);
		return;
	}
	bool marked = cell[0] == '\'' && cell[1] && (is_identifier || isdigit((unsigned char)cell[1]) || strchr("=+-@", cell[1]));
	stg_copy(ret, size, cell + marked);
}

/* Blanks inside identifiers are for the eye; here also dots and signs stay out of the question. */
static void squeeze(char *s, const char *drop)
{
	char *to = s;
	for (const char *p = s; *p;) {
		if (strncmp(p, "\xc2\xa0", 2) == 0)
			p += 2;
		else if (strncmp(p, "\xe2\x80\xaf", 3) == 0 || strncmp(p, "\xe2\x80\x8b", 3) == 0)
			p += 3;
		else if (strchr(drop, *p))
			p++;
		else
			*to++ = *p++;
	}
	*to = 0;
}

/* 3.56E+14, 3,56E+14: digits are lost for good. A serial such as 12E4567890 has neither a comma nor a plus. */
static bool looks_rounded(const char *s)
{
	size_t mantissa = strspn(s, "0123456789.,");
	const char *p = s + mantissa;
	if (!mantissa || (*p != 'E' && *p != 'e'))
		return false;
	p++;
	bool is_sure = *p == '+' || memchr(s, '.', mantissa) || memchr(s, ',', mantissa);
	if (*p == '+' || *p == '-')
		p++;
	return is_sure && *p && p[strspn(p, "0123456789")] == 0;
}

static bool refuse(enum stg_id id, enum stg_id *why)
{
	*why = id;
	return false;
}

static bool is_placeholder(const char *s)
{
	static const char *const words[] = { "UNKNOWN", "0123456789ABCDEF", "0123456789", "123456789", "1234567890", "NA", "N/A", "N.A.", "NONE", "NULL",
					     "NIL", "TBD", "TODO", "INCONNU", "AUCUN", "NEANT", "DEFAULTSTRING", "TOBEFILLEDBYO.E.M.", "SERIAL",
					     "SERIALNUMBER", "NOTAPPLICABLE", "-", "?" };
	for (size_t i = 0; i < STG_ARRAY_LEN(words); i++)
		if (strcasecmp(s, words[i]) == 0)
			return true;
	return strspn(s, (char[]){ s[0], 0 }) == strlen(s);   /* 000000000000, XXXXXXXXXX */
}

static bool serial_value(char *v, char *ret, enum stg_id *why)
{
	squeeze(v, " ");
	if (looks_rounded(v))
		return refuse(STG_ID_VALUE_ROUNDED, why);
	if (is_placeholder(v))
		return refuse(STG_ID_VALUE_PLACEHOLDER, why);
	size_t n = strlen(v);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)v[i]) && !(i && strchr("-_./", v[i])))
			return refuse(STG_ID_VALUE_SERIAL, why);
	if (n < 6 || n > 24)
		return refuse(STG_ID_VALUE_SERIAL, why);
	for (size_t i = 0; i <= n; i++)
		ret[i] = (char)toupper((unsigned char)v[i]);
	return true;
}

static bool udid_value(char *v, char *ret, size_t size, enum stg_id *why)
{
	squeeze(v, " ");
	size_t n = strlen(v), hex = strspn(v, "0123456789abcdefABCDEF");
	bool is_old = n == 40 && hex == n, is_bare = n == 24 && hex == n;
	bool is_new = n == 25 && hex == 8 && v[8] == '-' && strspn(v + 9, "0123456789abcdefABCDEF") == 16;
	if (!is_old && !is_bare && !is_new)
		return refuse(STG_ID_VALUE_UDID, why);
	if (is_old) {
		for (size_t i = 0; i <= n; i++)
			ret[i] = (char)tolower((unsigned char)v[i]);
		return true;
	}
	snprintf(ret, size, "%.8s-%.16s", v, v + (is_new ? 9 : 8));
	for (char *p = ret; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return true;
}

static bool ecid_value(char *v, bool is_hex, char *ret, size_t size, enum stg_id *why)
{
	squeeze(v, " ");
	if (looks_rounded(v))
		return refuse(STG_ID_VALUE_ROUNDED, why);
	const char *digits = v;
	if (strncasecmp(v, "0x", 2) == 0) {
		is_hex = true;
		digits += 2;
	}
	/* 16 places with a leading zero or a letter are how tools print it in hexadecimal */
	is_hex = is_hex || strpbrk(digits, "abcdefABCDEF") || (digits[0] == '0' && strlen(digits) > 1);
	size_t n = strlen(digits);
	if (!n || strspn(digits, is_hex ? "0123456789abcdefABCDEF" : "0123456789") != n)
		return refuse(STG_ID_VALUE_ECID, why);
	errno = 0;
	uint64_t ecid = strtoull(digits, NULL, is_hex ? 16 : 10);
	if (errno || !ecid)
		return refuse(STG_ID_VALUE_ECID, why);
	snprintf(ret, size, "%" PRIu64, ecid);
	return true;
}

static bool imei_value(char *v, char *ret, size_t size, enum stg_id *why)
{
	char clean[20];
	squeeze(v, " ");
	if (looks_rounded(v))
		return refuse(STG_ID_VALUE_ROUNDED, why);
	if (stg_imei_clean(v, clean))
		return stg_copy(ret, size, clean);
	squeeze(v, "-/");
	size_t n = strlen(v), digits = strspn(v, "0123456789");
	return refuse(n == 15 && digits == n ? STG_ID_VALUE_IMEI_CHECK : STG_ID_VALUE_IMEI, why);
}

static bool ownership_value(const char *v, char *ret, size_t size, enum stg_id *why)
{
	static const struct {
		const char *word, *meaning;
	} words[] = {
		{ "pool", "pool" }, { "parc", "pool" }, { "fleet", "pool" }, { "flotte", "pool" },
		{ "personal", "personal" }, { "personnel", "personal" }, { "personnelle", "personal" }, { "perso", "personal" }, { "private", "personal" },
		{ "byod", "personal" }, { "unknown", "unknown" }, { "inconnu", "unknown" }, { "inconnue", "unknown" },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(words); i++)
		if (strcasecmp(words[i].word, v) == 0)
			return stg_copy(ret, size, words[i].meaning);
	/* "pool" opens the way to erasing: nothing that merely resembles it is taken for it. */
	return refuse(STG_ID_VALUE_OWNERSHIP, why);
}

/* Direction marks and joiners make two names look alike. */
static bool has_hidden(const char *s)
{
	for (const char *p = s; *p;) {
		uint32_t c = next_point(&p);
		if ((c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
		    (c >= 0x80 && c < 0xa0) || (c >= 0xfff0 && c <= 0xffff) || c >= 0xe0000)
			return true;
	}
	return false;
}

bool batch_free_text(const char *cell, size_t most, char *ret, size_t size, enum stg_id *why)
{
	char v[BATCH_CELL_MAX + 1];
	unwrap(cell, false, v, sizeof(v));
	if (has_hidden(v))
		return refuse(STG_ID_VALUE_HIDDEN, why);
	if (strlen(v) > most)
		return refuse(STG_ID_VALUE_LONG, why);
	return stg_copy(ret, size, v);
}

bool batch_value(enum batch_field field, bool is_hex, const char *cell, char *ret, size_t size, enum stg_id *why)
{
	char v[BATCH_CELL_MAX + 1];
	unwrap(cell, field <= BATCH_IMEI2, v, sizeof(v));
	ret[0] = 0;
	if (!v[0])
		return true;
	switch (field) {
	case BATCH_SERIAL:
		return serial_value(v, ret, why);
	case BATCH_UDID:
		return udid_value(v, ret, size, why);
	case BATCH_ECID:
		return ecid_value(v, is_hex, ret, size, why);
	case BATCH_IMEI:
	case BATCH_IMEI2:
		return imei_value(v, ret, size, why);
	case BATCH_OWNERSHIP:
		return ownership_value(v, ret, size, why);
	case BATCH_NAME:
	case BATCH_ASSET_TAG:
	case BATCH_OWNER:
	case BATCH_FIELDS:
		break;
	}
	if (strchr(v, '\n'))
		return refuse(STG_ID_VALUE_LINES, why);
	return batch_free_text(cell, field == BATCH_NAME ? 128 : field == BATCH_OWNER ? 1024 : 64, ret, size, why);
}
