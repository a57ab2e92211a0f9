/*
 * der.c - a look at the bones of a message before OpenSSL builds anything of it.
 *
 * For:    open.c, csr.c.
 * Uses:   nothing but the bytes, and OpenSSL's table of object identifiers.
 * Called: with bytes from the network.
 * Thread: any.
 */
#include "inner.h"

#define DEPTH_MAX 32
#define ELEMENTS_MAX 4096
#define TAG_OID 0x06
#define TAG_SEQUENCE 0x30
#define TAG_SET 0x31
#define TAG_CONTEXT_0 0xa0

struct item {
	uint8_t tag;
	struct stg_bytes body;      /* without the end mark of an indefinite length */
};

/* Takes one element off the front. `budget` is what may still be looked at. */
static bool take(struct stg_bytes *in, struct item *ret, int depth, unsigned int *budget)
{
	const uint8_t *p = in->data;
	size_t left = in->len, len;
	if (left < 2 || depth > DEPTH_MAX || *budget == 0)
		return false;
	(*budget)--;
	ret->tag = *p;
	if ((*p & 0x1f) == 0x1f)
		return false;           /* tags over 30: nothing we read has them */
	uint8_t first = p[1];
	p += 2;
	left -= 2;
	if (first == 0x80) {
		if (!(ret->tag & 0x20))
			return false;
		struct stg_bytes rest = stg_bytes(p, left);
		struct item skipped;
		while (!(rest.len >= 2 && rest.data[0] == 0 && rest.data[1] == 0))
			if (!take(&rest, &skipped, depth + 1, budget))
				return false;
		ret->body = stg_bytes(p, (size_t)(rest.data - p));
		*in = stg_bytes(rest.data + 2, rest.len - 2);
		return true;
	}
	len = first;
	if (first > 0x80) {
		size_t n = first & 0x7f;
		if (n > 3 || n > left)
			return false;
		for (len = 0; n; n--, p++, left--)
			len = len << 8 | *p;
	}
	if (len > left)
		return false;
	ret->body = stg_bytes(p, len);
	*in = stg_bytes(p + len, left - len);
	return true;
}

static bool walk(struct stg_bytes in, int depth, unsigned int *budget)
{
	struct item it;
	while (in.len) {
		if (!take(&in, &it, depth, budget))
			return false;
		if (it.tag & 0x20 && !walk(it.body, depth + 1, budget))
			return false;
	}
	return true;
}

bool scep_der_ok(struct stg_bytes in)
{
	unsigned int budget = ELEMENTS_MAX;
	struct item it;
	if (!take(&in, &it, 0, &budget) || in.len || it.tag != TAG_SEQUENCE)
		return false;
	return walk(it.body, 1, &budget);
}

static bool step(struct stg_bytes *in, uint8_t tag, struct stg_bytes *ret)
{
	unsigned int budget = ELEMENTS_MAX;
	struct item it;
	if (!take(in, &it, 0, &budget) || it.tag != tag)
		return false;
	*ret = it.body;
	return true;
}

/* ContentInfo { OID, [0] EnvelopedData { version, [0] originator OPTIONAL, SET recipients, { OID, { OID cipher ... */
int scep_content_cipher(struct stg_bytes in)
{
	struct stg_bytes info, content, enveloped, body, skipped, inner, algorithm, oid;
	if (!step(&in, TAG_SEQUENCE, &info) || !step(&info, TAG_OID, &skipped) || !step(&info, TAG_CONTEXT_0, &content) ||
	    !step(&content, TAG_SEQUENCE, &enveloped) || !step(&enveloped, 0x02, &skipped))
		return NID_undef;
	if (enveloped.len && enveloped.data[0] == TAG_CONTEXT_0 && !step(&enveloped, TAG_CONTEXT_0, &skipped))
		return NID_undef;
	if (!step(&enveloped, TAG_SET, &skipped) || !step(&enveloped, TAG_SEQUENCE, &body) || !step(&body, TAG_OID, &skipped) ||
	    !step(&body, TAG_SEQUENCE, &inner))
		return NID_undef;
	algorithm = inner;
	if (!step(&inner, TAG_OID, &oid))
		return NID_undef;
	const unsigned char *p = algorithm.data;
	ASN1_OBJECT *o = d2i_ASN1_OBJECT(NULL, &p, (long)algorithm.len);
	int nid = o ? OBJ_obj2nid(o) : NID_undef;
	ASN1_OBJECT_free(o);
	return nid;
}
