/*
 * fuzz_apple_session.c - a whole device on the other side of the cable: what it answers to each question is the input's.
 *
 * The driver runs as in a worker, from its door down to the frames on a socket. Replaced are the library's connect (a socket pair)
 * and the TLS handshake; each time the driver says something, the next piece of the input is what comes back, and when it waits for
 * more than there is, the device hangs up. So no run waits.
 *
 * Input: the first byte says what is asked of the device, the second what comes next; then pieces, each two bytes of length (little
 * endian) and bytes. "auto frame" pieces, whose length has its highest bit set, get lockdown's frame around them.
 *
 * For:    make fuzz, and the replay of its corpus in the normal check.
 * Called: by libFuzzer or replay.c. Linked with --wrap for the names below (tests/rules.mk).
 * Thread: one.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "../../drivers/apple/device.h"

#define PIECE_MAX 60000
#define LINES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct stg_bytes input;             /* what is still to be said */
static struct line { int near, far; } lines[LINES_MAX];

/* ---- the cable ---- */

ssize_t __real_send(int fd, const void *p, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags);
int __real_poll(struct pollfd *p, nfds_t n, int timeout_ms);
int __wrap_poll(struct pollfd *p, nfds_t n, int timeout_ms);
idevice_error_t __wrap_idevice_new(idevice_t *ret, const char *udid);
idevice_error_t __wrap_idevice_free(idevice_t d);
idevice_error_t __wrap_idevice_connect(idevice_t d, uint16_t port, idevice_connection_t *ret);
idevice_error_t __wrap_idevice_disconnect(idevice_connection_t c);
idevice_error_t __wrap_idevice_connection_get_fd(idevice_connection_t c, int *ret);
bool __wrap_apple_link_secure(struct apple_link *l, struct stg_error *err);
bool __wrap_apple_record_load(struct apple_device *dev, struct stg_error *err);

static struct line *line_of(int fd)
{
	for (size_t i = 0; i < LINES_MAX; i++)
		if (lines[i].near == fd && lines[i].far > 0)
			return &lines[i];
	return NULL;
}

/* The next piece goes out to whoever asked; false: there is none. */
static bool answer(struct line *l)
{
	if (input.len < 2)
		return false;
	size_t len = (size_t)input.data[0] | (size_t)(input.data[1] & 0x7f) << 8;
	bool framed = input.data[1] & 0x80;
	input = stg_bytes(input.data + 2, input.len - 2);
	if (len > input.len)
		len = input.len;
	if (framed) {
		uint8_t head[4] = { 0, 0, (uint8_t)(len >> 8), (uint8_t)len };
		(void)!__real_send(l->far, head, sizeof(head), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	(void)!__real_send(l->far, input.data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	input = stg_bytes(input.data + len, input.len - len);
	return true;
}

static void hang_up(struct line *l)
{
	if (l->far > 0)
		close(l->far);
	l->far = 0;
}

/* Whatever the driver says is heard and answered at once. */
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags)
{
	struct line *l = line_of(fd);
	if (!l)
		return __real_send(fd, p, n, flags);
	if (!answer(l))
		hang_up(l);
	return (ssize_t)n;
}

/* Nobody waits for what does not come. */
int __wrap_poll(struct pollfd *p, nfds_t n, int timeout_ms)
{
	int ready = __real_poll(p, n, 0);
	struct line *l = n ? line_of(p[0].fd) : NULL;
	if (ready != 0 || !l)
		return ready != 0 ? ready : __real_poll(p, n, timeout_ms);
	hang_up(l);
	return __real_poll(p, n, 0);
}

idevice_error_t __wrap_idevice_new(idevice_t *ret, const char *udid)
{
	static int anything;
	(void)udid;
	*ret = (idevice_t)(void *)&anything;
	return IDEVICE_E_SUCCESS;
}

idevice_error_t __wrap_idevice_free(idevice_t d)
{
	(void)d;
	return IDEVICE_E_SUCCESS;
}

idevice_error_t __wrap_idevice_connect(idevice_t d, uint16_t port, idevice_connection_t *ret)
{
	int pair[2];
	(void)d, (void)port;
	for (size_t i = 0; i < LINES_MAX && input.len; i++) {
		if (lines[i].near)
			continue;
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
			abort();
		lines[i] = (struct line){ pair[0], pair[1] };
		*ret = (idevice_connection_t)(void *)&lines[i];
		return IDEVICE_E_SUCCESS;
	}
	return IDEVICE_E_UNKNOWN_ERROR;
}

idevice_error_t __wrap_idevice_disconnect(idevice_connection_t c)
{
	struct line *l = (struct line *)(void *)c;
	hang_up(l);
	close(l->near);
	l->near = 0;
	return IDEVICE_E_SUCCESS;
}

idevice_error_t __wrap_idevice_connection_get_fd(idevice_connection_t c, int *ret)
{
	*ret = ((struct line *)(void *)c)->near;
	return IDEVICE_E_SUCCESS;
}

bool __wrap_apple_link_secure(struct apple_link *l, struct stg_error *err)
{
	(void)l, (void)err;
	return true;
}

bool __wrap_apple_record_load(struct apple_device *dev, struct stg_error *err)
{
	(void)err;
	dev->record.present = dev->record_read = true;
	stg_copy(dev->record.host_id, sizeof(dev->record.host_id), "HOST");
	stg_copy(dev->record.system_buid, sizeof(dev->record.system_buid), "BUID");
	return true;
}

/* ---- the house behind the driver ---- */

static const uint8_t our_der[] = "our certificate";

static bool supervisor(void *ctx, struct stg_buf *ret, struct stg_error *err)
{
	(void)ctx;
	return stg_buf_add(ret, our_der, sizeof(our_der), err);
}

static bool sign_challenge(void *ctx, struct stg_bytes challenge, struct stg_buf *ret, struct stg_error *err)
{
	(void)ctx;
	/* what a device can make us sign */
	if (!challenge.len || challenge.len > 64)
		abort();
	return stg_buf_add(ret, "signed", 6, err);
}

static bool host_identity(void *ctx, struct stg_host_identity *ret, struct stg_error *err)
{
	(void)ctx, (void)ret;
	return stg_fail(err, STG_E_UNSUPPORTED, 0, "no keys here");
}

/* The activation service is somebody else's as well. */
static bool relay(void *ctx, const struct stg_http *ask, struct stg_http_answer *ret, struct stg_error *err)
{
	(void)ctx, (void)ask;
	size_t len = input.len < 4096 ? input.len : 4096;
	ret->status = 200;
	stg_copy(ret->content_type, sizeof(ret->content_type), "application/xml");
	ret->headers = json_pack("{s:s}", "ars", "x");
	return stg_buf_add(&ret->body, input.data, len, err);
}

static void progress(void *ctx, int percent)
{
	(void)ctx;
	if (percent < 0 || percent > 100)
		abort();
}

static const struct stg_host host = { .supervisor = supervisor, .sign_challenge = sign_challenge, .host_identity = host_identity, .relay = relay,
				      .progress = progress };

/* ---- what is asked ---- */

static int a_file(void)
{
	static int fd = -1;
	if (fd < 0) {
		char path[] = "/tmp/fuzz-file-XXXXXX";
		fd = mkostemp(path, O_CLOEXEC);
		if (fd < 0 || write(fd, "0123456789abcdef", 16) != 16)
			abort();
		unlink(path);
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static bool took(json_t *j)
{
	char *text = j ? stg_json_text(j) : NULL;
	free(text);
	json_decref(j);
	return j != NULL;
}

static bool ask(struct stg_device *d, unsigned int what, struct stg_error *err)
{
	static const struct stg_bytes bytes = { (const uint8_t *)"x", 1 };
	const struct stg_app_package app = { .bundle_id = "org.example.route", .fd = a_file(), .size_bytes = 16, .sha256 = "0123456789abcdef", .mark = "-" };
	const struct stg_app_document doc = { .bundle_id = "org.example.route", .path = "Documents/a/plan.txt", .fd = a_file(), .size_bytes = 16,
					      .sha256 = "0123456789abcdef", .mark = "-" };
	const struct stg_supervision s = { .organisation = "O", .organisation_id = "1", .certificate = { our_der, sizeof(our_der) }, .supervised = true };
	STG_AUTO(stg_buf_clear) struct stg_buf stored = STG_BUF(1u << 20);
	STG_AUTO(stg_secret_clear) struct stg_secret token = { 0 };
	struct stg_identity who;
	enum stg_trust trust;
	json_t *read = NULL;
	char state[32];
	int64_t ms;
	bool ok;
	switch (what % 30) {
	case 0: return stg_device_identify(d, &who, err);
	case 1: return took(stg_device_facts(d, err));
	case 2: return took(stg_device_owner_facts(d, err));
	case 3: return stg_device_trust(d, &trust, err);
	case 4: return stg_device_pair(d, err);
	case 5: return stg_device_activation(d, state, err);
	case 6: return stg_device_activate(d, err);
	case 7:
		ok = stg_device_supervise(d, &s, &read, err);
		json_decref(read);
		return ok;
	case 8: return took(stg_device_configuration(d, err));
	case 9: return stg_device_fetch_configuration(d, err);
	case 10: return stg_device_install_profile(d, bytes, STG_INSTALL_AUTO, err);
	case 11: return stg_device_install_profile(d, bytes, STG_INSTALL_SILENT, err);
	case 12: return stg_device_store_profile(d, bytes, err);
	case 13: return stg_device_stored_profile(d, &stored, err);
	case 14: return stg_device_remove_profile(d, "org.example.tried", err);
	case 15: return took(stg_device_list_profiles(d, err));
	case 16: return took(stg_device_list_apps(d, err));
	case 17: return took(stg_device_find_app(d, "org.example.route", err));
	case 18: return stg_device_install_app(d, &app, err);
	case 19: return stg_device_remove_app(d, "org.example.route", err);
	case 20: return stg_device_put_document(d, &doc, err);
	case 21: return took(stg_device_find_document(d, &doc, err));
	case 22: return stg_device_set_name(d, "Ward-1", err);
	case 23: return stg_device_set_time(d, 1700000000000, "Europe/Paris", err);
	case 24: return stg_device_get_time(d, &ms, err);
	case 25: return took(stg_device_settings(d, err));
	case 26: return took(stg_device_security_info(d, err));
	case 27: return stg_device_unlock_token(d, &token, err);
	case 28: return stg_device_set_wallpaper(d, bytes, STG_WALLPAPER_BOTH, err);
	default: return stg_device_set_language(d, "fr", "fr_FR", err);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct stg_arrival arrival = { .driver = "apple", .vid = 0x05ac, .pid = 0x12ab, .mode = STG_MODE_NORMAL, .handle = 1,
						    .udid = "00008101-001A8F6A0FC40126" };
	if (size < 2 || size > PIECE_MAX)
		return 0;
	input = stg_bytes(data + 2, size - 2);
	struct stg_error err = { 0 };
	struct stg_device *d = stg_device_open(&arrival, &host, NULL, &err);
	if (!d)
		abort();
	for (int i = 0; i < 2; i++) {
		stg_error_reset(&err);
		bool ok = ask(d, data[i], &err);
		if (!ok && (err.code == STG_OK || err.code == STG_E_BUG || !err.msg[0]))
			abort();
		for (const char *c = ok ? "" : err.msg; *c; c++)
			if ((unsigned char)*c < 0x20)
				abort();
	}
	stg_device_close(d);
	for (size_t i = 0; i < LINES_MAX; i++)
		if (lines[i].near)
			abort();        /* a connection was left open */
	return 0;
}
