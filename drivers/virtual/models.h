/*
 * models.h - real models and operating system builds, and how their identifiers look.
 *
 * Facts: product types, boards, chip ids and order numbers as published by Apple and seen in public device databases;
 * UDIDs are 40 hex digits up to the A11 and ChipID-ECID from the A12 on; serials are 12 characters with meaning before
 * 2021 and 10 random ones since.
 */
#ifndef VIRTUAL_MODELS_H
#define VIRTUAL_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct virt_color {
	const char *name;           /* DeviceColor as lockdown says it */
	const char *enclosure;
};

struct virt_model {
	const char *product_type;   /* "iPhone14,7" */
	const char *board;          /* "D27AP" */
	const char *marketing_name; /* "iPhone 14" */
	const char *order;          /* "MPUF3": ModelNumber */
	const char *factory_code;   /* last four of a 12-character serial; "" for random serials */
	uint16_t chip_id;
	uint16_t board_id;
	bool is_ipad;
	bool is_cellular;
	bool has_two_imeis;
	bool has_long_udid;         /* 40 hex digits */
	unsigned int first_os, last_os;   /* major versions */
	uint16_t capacities_gb[5];
	uint16_t screen_width, screen_height;
	const char *cpu;            /* "arm64", "arm64e" */
};

struct virt_os {
	const char *version, *build;
	unsigned int major;
};

extern const struct virt_model virt_models[];
extern const size_t virt_models_len;
extern const struct virt_os virt_oses[];
extern const size_t virt_oses_len;

/* By product type, board, marketing name (any case) or order number; NULL: unknown. */
const struct virt_model *virt_model_find(const char *word);
/* By version ("17.5.1", "17") or build; the newest that fits. NULL: unknown. */
const struct virt_os *virt_os_find(const char *word);

/* A repeatable stream of random numbers. */
struct virt_random {
	uint64_t state;
};
struct virt_random virt_random_from(uint64_t seed, uint64_t a, uint64_t b);
uint64_t virt_random_next(struct virt_random *);
uint32_t virt_random_below(struct virt_random *, uint32_t n);
void virt_random_fill(struct virt_random *, void *ret, size_t len);

/* Well-formed identifiers. */
void virt_make_serial(struct virt_random *, const struct virt_model *, char ret[32]);
void virt_make_imei(struct virt_random *, const struct virt_model *, char ret[16]);
void virt_make_mac(struct virt_random *, uint8_t last_add, char ret[18]);
char virt_luhn_digit(const char *digits);
bool virt_imei_ok(const char *imei);

#endif
