/*
 * models.c - real models and operating system builds, and how their identifiers look.
 *
 * For:    devices that look like what stands on a bench.
 * Uses:   nothing.
 * Called: by device.c, control.c.
 * Thread: any.
 */
#include "models.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <stager/bytes.h>

#define PHONE(type, board, name, order, code, chip, bid, two, longudid, first, last, w, h, cpu, ...) \
	{ type, board, name, order, code, chip, bid, false, true, two, longudid, first, last, { __VA_ARGS__ }, w, h, cpu }
#define PAD(type, board, name, order, code, chip, bid, cell, longudid, first, last, w, h, cpu, ...) \
	{ type, board, name, order, code, chip, bid, true, cell, cell, longudid, first, last, { __VA_ARGS__ }, w, h, cpu }

const struct virt_model virt_models[] = {
	PHONE("iPhone9,1", "D10AP", "iPhone 7", "MN922", "HG7K", 0x8010, 0x08, false, true, 15, 15, 750, 1334, "arm64", 32, 128, 256),
	PHONE("iPhone10,1", "D20AP", "iPhone 8", "MQ6K2", "JC6F", 0x8015, 0x02, false, true, 15, 16, 750, 1334, "arm64", 64, 128, 256),
	PHONE("iPhone10,3", "D22AP", "iPhone X", "MQA52", "JCLF", 0x8015, 0x06, false, true, 15, 16, 1125, 2436, "arm64", 64, 256),
	PHONE("iPhone11,2", "D321AP", "iPhone XS", "MT942", "KPFV", 0x8020, 0x0e, true, false, 15, 18, 1125, 2436, "arm64e", 64, 256, 512),
	PHONE("iPhone11,8", "N841AP", "iPhone XR", "MRY42", "KXK2", 0x8020, 0x0c, true, false, 15, 18, 828, 1792, "arm64e", 64, 128, 256),
	PHONE("iPhone12,1", "N104AP", "iPhone 11", "MWL72", "N735", 0x8030, 0x04, true, false, 15, 26, 828, 1792, "arm64e", 64, 128, 256),
	PHONE("iPhone12,3", "D421AP", "iPhone 11 Pro", "MWC22", "N6XQ", 0x8030, 0x06, true, false, 15, 26, 1125, 2436, "arm64e", 64, 256, 512),
	PHONE("iPhone12,8", "D79AP", "iPhone SE (2nd generation)", "MX9R2", "PLJM", 0x8030, 0x10, true, false, 15, 26, 750, 1334, "arm64e", 64, 128, 256),
	PHONE("iPhone13,2", "D53gAP", "iPhone 12", "MGJ53", "0DYF", 0x8101, 0x0c, true, false, 15, 26, 1170, 2532, "arm64e", 64, 128, 256),
	PHONE("iPhone13,3", "D53pAP", "iPhone 12 Pro", "MGMK3", "0D82", 0x8101, 0x0e, true, false, 15, 26, 1170, 2532, "arm64e", 128, 256, 512),
	PHONE("iPhone14,5", "D17AP", "iPhone 13", "MLPF3", "", 0x8110, 0x0a, true, false, 15, 26, 1170, 2532, "arm64e", 128, 256, 512),
	PHONE("iPhone14,2", "D63AP", "iPhone 13 Pro", "MLVA3", "", 0x8110, 0x0c, true, false, 15, 26, 1170, 2532, "arm64e", 128, 256, 512, 1024),
	PHONE("iPhone14,6", "D49AP", "iPhone SE (3rd generation)", "MMXF3", "", 0x8110, 0x10, true, false, 15, 26, 750, 1334, "arm64e", 64, 128, 256),
	PHONE("iPhone14,7", "D27AP", "iPhone 14", "MPUF3", "", 0x8110, 0x18, true, false, 16, 26, 1170, 2532, "arm64e", 128, 256, 512),
	PHONE("iPhone15,2", "D73AP", "iPhone 14 Pro", "MPXV3", "", 0x8120, 0x0c, true, false, 16, 26, 1179, 2556, "arm64e", 128, 256, 512, 1024),
	PHONE("iPhone15,4", "D37AP", "iPhone 15", "MTP03", "", 0x8120, 0x08, true, false, 17, 26, 1179, 2556, "arm64e", 128, 256, 512),
	PHONE("iPhone16,1", "D83AP", "iPhone 15 Pro", "MTUW3", "", 0x8130, 0x04, true, false, 17, 26, 1179, 2556, "arm64e", 128, 256, 512, 1024),
	PHONE("iPhone17,3", "D47AP", "iPhone 16", "MYE73", "", 0x8140, 0x08, true, false, 18, 26, 1179, 2556, "arm64e", 128, 256, 512),
	PHONE("iPhone17,1", "D93AP", "iPhone 16 Pro", "MYND3", "", 0x8140, 0x0c, true, false, 18, 26, 1206, 2622, "arm64e", 128, 256, 512, 1024),
	PHONE("iPhone17,5", "V59AP", "iPhone 16e", "MD1Q4", "", 0x8140, 0x04, true, false, 18, 26, 1170, 2532, "arm64e", 128, 256, 512),
	PHONE("iPhone18,3", "V57AP", "iPhone 17", "MG6J4", "", 0x8150, 0x08, true, false, 26, 26, 1206, 2622, "arm64e", 256, 512),

	PAD("iPad7,11", "J171AP", "iPad (7th generation)", "MW742", "MF3M", 0x8010, 0x1c, false, true, 15, 18, 1620, 2160, "arm64", 32, 128),
	PAD("iPad7,12", "J172AP", "iPad (7th generation) Cellular", "MW6C2", "MF3Q", 0x8010, 0x1e, true, true, 15, 18, 1620, 2160, "arm64", 32, 128),
	PAD("iPad11,1", "J210AP", "iPad mini (5th generation)", "MUQW2", "LM93", 0x8020, 0x14, false, false, 15, 26, 1536, 2048, "arm64e", 64, 256),
	PAD("iPad11,6", "J171aAP", "iPad (8th generation)", "MYL92", "Q1GC", 0x8020, 0x24, false, false, 15, 26, 1620, 2160, "arm64e", 32, 128),
	PAD("iPad11,7", "J172aAP", "iPad (8th generation) Cellular", "MYMH2", "Q1GG", 0x8020, 0x26, true, false, 15, 26, 1620, 2160, "arm64e", 32, 128),
	PAD("iPad8,1", "J317AP", "iPad Pro (11-inch)", "MTXN2", "KD6K", 0x8027, 0x0c, false, false, 15, 26, 1668, 2388, "arm64e", 64, 256, 512, 1024),
	PAD("iPad12,1", "J181AP", "iPad (9th generation)", "MK2K3", "", 0x8030, 0x18, false, false, 15, 26, 1620, 2160, "arm64e", 64, 256),
	PAD("iPad12,2", "J182AP", "iPad (9th generation) Cellular", "MK473", "", 0x8030, 0x1a, true, false, 15, 26, 1620, 2160, "arm64e", 64, 256),
	PAD("iPad13,1", "J307AP", "iPad Air (4th generation)", "MYFM2", "0F4Y", 0x8101, 0x04, false, false, 15, 26, 1640, 2360, "arm64e", 64, 256),
	PAD("iPad14,1", "J310AP", "iPad mini (6th generation)", "MK7M3", "", 0x8110, 0x04, false, false, 15, 26, 1488, 2266, "arm64e", 64, 256),
	PAD("iPad14,2", "J311AP", "iPad mini (6th generation) Cellular", "MK893", "", 0x8110, 0x06, true, false, 15, 26, 1488, 2266, "arm64e", 64, 256),
	PAD("iPad13,18", "J271AP", "iPad (10th generation)", "MPQ03", "", 0x8101, 0x14, false, false, 16, 26, 1640, 2360, "arm64e", 64, 256),
	PAD("iPad13,19", "J272AP", "iPad (10th generation) Cellular", "MQ6J3", "", 0x8101, 0x16, true, false, 16, 26, 1640, 2360, "arm64e", 64, 256),
	PAD("iPad13,16", "J407AP", "iPad Air (5th generation)", "MM9C3", "", 0x8103, 0x10, false, false, 15, 26, 1640, 2360, "arm64e", 64, 256),
	PAD("iPad13,4", "J517AP", "iPad Pro (11-inch, 3rd generation)", "MHQR3", "", 0x8103, 0x08, false, false, 15, 26, 1668, 2388, "arm64e", 128, 256, 512, 1024, 2048),
	PAD("iPad14,3", "J617AP", "iPad Pro (11-inch, 4th generation)", "MNXD3", "", 0x8112, 0x08, false, false, 16, 26, 1668, 2388, "arm64e", 128, 256, 512, 1024, 2048),
	PAD("iPad16,3", "J717AP", "iPad Pro (11-inch, M4)", "MVV83", "", 0x8132, 0x08, false, false, 17, 26, 1668, 2420, "arm64e", 256, 512, 1024, 2048),
	PAD("iPad15,7", "J481AP", "iPad (A16)", "MD3Y4", "", 0x8120, 0x10, false, false, 18, 26, 1640, 2360, "arm64e", 128, 256, 512),
	PAD("iPad15,8", "J482AP", "iPad (A16) Cellular", "MD7F4", "", 0x8120, 0x12, true, false, 18, 26, 1640, 2360, "arm64e", 128, 256, 512),
};
const size_t virt_models_len = STG_ARRAY_LEN(virt_models);

/* Rising, so that the last one that fits is the newest. */
const struct virt_os virt_oses[] = {
	{ "15.0", "19A346", 15 },   { "15.5", "19F77", 15 },    { "15.7.1", "19H117", 15 }, { "15.8.3", "19H386", 15 },
	{ "16.0", "20A362", 16 },   { "16.3.1", "20D67", 16 },  { "16.6.1", "20G81", 16 },  { "16.7.10", "20H350", 16 },
	{ "17.0.3", "21A360", 17 }, { "17.4.1", "21E236", 17 }, { "17.5.1", "21F90", 17 },  { "17.6.1", "21G93", 17 },
	{ "18.0", "22A3354", 18 },  { "18.1.1", "22B91", 18 },  { "18.3.2", "22D82", 18 },  { "18.5", "22F76", 18 },
	{ "18.6.2", "22G100", 18 }, { "26.0", "23A341", 26 },   { "26.0.1", "23A355", 26 }, { "26.1", "23B85", 26 },
};
const size_t virt_oses_len = STG_ARRAY_LEN(virt_oses);

const struct virt_model *virt_model_find(const char *word)
{
	for (size_t i = 0; i < virt_models_len; i++) {
		const struct virt_model *m = &virt_models[i];

		if (strcasecmp(m->product_type, word) == 0 || strcasecmp(m->board, word) == 0 ||
		    strcasecmp(m->marketing_name, word) == 0)
			return m;
		/* An order number may carry its region: MPQ03LL/A. */
		if (strncasecmp(m->order, word, strlen(m->order)) == 0)
			return m;
	}
	return NULL;
}

const struct virt_os *virt_os_find(const char *word)
{
	const struct virt_os *found = NULL;
	size_t len = strlen(word);

	for (size_t i = 0; len > 0 && i < virt_oses_len; i++) {
		const struct virt_os *os = &virt_oses[i];

		if (strcmp(os->version, word) == 0 || strcmp(os->build, word) == 0)
			return os;
		if (strncmp(os->version, word, len) == 0 && os->version[len] == '.')
			found = os;
	}
	return found;
}

/* splitmix64: any seed will do, and equal seeds give equal streams. */
uint64_t virt_random_next(struct virt_random *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

struct virt_random virt_random_from(uint64_t seed, uint64_t a, uint64_t b)
{
	struct virt_random r = { seed };

	r.state = virt_random_next(&r) ^ (a * 0xff51afd7ed558ccdu);
	r.state = virt_random_next(&r) ^ (b * 0xc4ceb9fe1a85ec53u);
	virt_random_next(&r);
	return r;
}

uint32_t virt_random_below(struct virt_random *r, uint32_t n)
{
	return n ? (uint32_t)(virt_random_next(r) >> 11) % n : 0;
}

void virt_random_fill(struct virt_random *r, void *ret, size_t len)
{
	uint8_t *p = ret;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(virt_random_next(r) >> 24);
}

/* Apple leaves out I and O. */
static const char SERIAL_ALPHABET[] = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";

void virt_make_serial(struct virt_random *r, const struct virt_model *m, char ret[32])
{
	static const char *const plants[] = { "F2L", "F17", "FFM", "FK1", "DNP", "DX3", "C39", "G6T", "DMP", "DLX" };
	static const char weeks[] = "123456789CDFGHJKLMNPQRTVWX";
	size_t n = 0;

	if (m->factory_code[0]) {
		/* Plant, half year, week, unit, model. */
		memcpy(ret, plants[virt_random_below(r, STG_ARRAY_LEN(plants))], 3);
		ret[3] = "VWXYZ"[virt_random_below(r, 5)];
		ret[4] = weeks[virt_random_below(r, sizeof(weeks) - 1)];
		for (n = 5; n < 8; n++)
			ret[n] = SERIAL_ALPHABET[virt_random_below(r, 34)];
		memcpy(ret + 8, m->factory_code, 4);
		n = 12;
	} else {
		/* Never all digits, so that no spreadsheet takes it for a number. */
		for (n = 0; n < 10; n++)
			ret[n] = SERIAL_ALPHABET[n == 0 ? 10 + virt_random_below(r, 24) : virt_random_below(r, 34)];
	}
	ret[n] = '\0';
}

/* The digit that makes the whole divisible by ten, doubling every second digit from the right. */
char virt_luhn_digit(const char *digits)
{
	unsigned int sum = 0;
	bool doubled = true;

	for (size_t i = strlen(digits); i-- > 0; doubled = !doubled) {
		unsigned int d = (unsigned int)(digits[i] - '0');

		if (doubled)
			d = d * 2 > 9 ? d * 2 - 9 : d * 2;
		sum += d;
	}
	return (char)('0' + (10 - sum % 10) % 10);
}

bool virt_imei_ok(const char *imei)
{
	char body[15];

	if (strlen(imei) != 15 || strspn(imei, "0123456789") != 15)
		return false;
	memcpy(body, imei, 14);
	body[14] = '\0';
	return virt_luhn_digit(body) == imei[14];
}

void virt_make_imei(struct virt_random *r, const struct virt_model *m, char ret[16])
{
	/* The first eight digits name the model: the same for every unit of it. */
	unsigned int type = (unsigned int)(m - virt_models);

	snprintf(ret, 16, "35%06u%06u", (309800 + type * 137) % 1000000, virt_random_below(r, 1000000));
	ret[14] = virt_luhn_digit(ret);
	ret[15] = '\0';
}

void virt_make_mac(struct virt_random *r, uint8_t last_add, char ret[18])
{
	static const char *const owners[] = { "f0:99:bf", "a4:83:e7", "3c:22:fb", "bc:d0:74", "14:98:77", "88:66:5a" };
	uint8_t b[3];
	struct virt_random here = *r;   /* the Bluetooth address follows the Wi-Fi one: same draw, another last digit */
	const char *owner = owners[virt_random_below(&here, STG_ARRAY_LEN(owners))];

	virt_random_fill(&here, b, sizeof(b));
	snprintf(ret, 18, "%s:%02x:%02x:%02x", owner, b[0], b[1], (uint8_t)(b[2] + last_add));
}
