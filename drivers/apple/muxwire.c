/*
 * muxwire.c - the usbmuxd client protocol as bytes: header, body, address.
 *
 * For:    the watch (mux.c) and the mux door (muxdoor.c), which are its two ends in this program.
 * Uses:   libplist behind the scan; sockets.
 * Called: from this folder.
 * Thread: any; no state.
 * Facts:  protocols/apple.md 1.1 to 1.3 (libusbmuxd 2.0.2, usbmuxd 1.1.1; 2026-11).
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <stager/watch.h>

#include "muxwire.h"

#define VERSION_PLIST 1
#define MESSAGE_PLIST 8

static const struct stg_plist_limits limits = {
	.size_bytes = MUX_MESSAGE_MAX, .depth = 8, .nodes = 1000, .key_bytes = 256, .string_bytes = 4096, .data_bytes = MUX_MESSAGE_MAX,
};

static uint32_t get_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_le32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

bool mux_whole(struct stg_bytes in, size_t *ret_len, struct stg_error *err)
{
	*ret_len = 0;
	if (in.len < MUX_HEADER)
		return true;
	uint32_t len = get_le32(in.data);
	if (len < MUX_HEADER || len > MUX_MESSAGE_MAX)
		return stg_fail(err, STG_E_PROTOCOL, 0, "usbmuxd: a message of %u bytes", len);
	if (get_le32(in.data + 4) != VERSION_PLIST || get_le32(in.data + 8) != MESSAGE_PLIST)
		return stg_fail(err, STG_E_PROTOCOL, 0, "usbmuxd: version %u, message %u", get_le32(in.data + 4),
				get_le32(in.data + 8));
	if (in.len >= len)
		*ret_len = len;
	return true;
}

plist_t mux_read(struct stg_bytes message, uint32_t *ret_tag, struct stg_error *err)
{
	*ret_tag = get_le32(message.data + 12);
	plist_t body = apple_plist_read(stg_bytes(message.data + MUX_HEADER, message.len - MUX_HEADER), &limits, err);
	if (body && !apple_is(body, PLIST_DICT)) {
		apple_plist_free_at(&body);
		stg_fail(err, STG_E_PROTOCOL, 0, "usbmuxd: a body that is not a dictionary");
	}
	return body;
}

static bool finish(size_t start, uint32_t tag, struct stg_buf *ret, struct stg_error *err)
{
	size_t len = ret->len - start;
	if (len > MUX_MESSAGE_MAX)
		return stg_fail(err, STG_E_PROTOCOL, 0, "usbmuxd: a message of %zu bytes", len);
	put_le32(ret->data + start, (uint32_t)len);
	put_le32(ret->data + start + 4, VERSION_PLIST);
	put_le32(ret->data + start + 8, MESSAGE_PLIST);
	put_le32(ret->data + start + 12, tag);
	return true;
}

bool mux_write(uint32_t tag, plist_t body, struct stg_buf *ret, struct stg_error *err)
{
	static const uint8_t header[MUX_HEADER];
	size_t start = ret->len;
	return stg_buf_add(ret, header, sizeof(header), err) && apple_plist_write(body, ret, err) && finish(start, tag, ret, err);
}

bool mux_write_result(uint32_t tag, enum mux_result number, struct stg_buf *ret, struct stg_error *err)
{
	static const uint8_t header[MUX_HEADER];
	size_t start = ret->len;
	return stg_buf_add(ret, header, sizeof(header), err) &&
	       stg_buf_printf(ret, err,
			      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			      "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
			      "<plist version=\"1.0\">\n<dict>\n\t<key>MessageType</key>\n\t<string>Result</string>\n"
			      "\t<key>Number</key>\n\t<integer>%d</integer>\n</dict>\n</plist>\n",
			      (int)number) &&
	       finish(start, tag, ret, err);
}

plist_t mux_request(const char *type)
{
	plist_t p = plist_new_dict();
	apple_put_str(p, "ClientVersionString", "stager " STG_VERSION);
	apple_put_str(p, "ProgName", "stager");
	apple_put_uint(p, "kLibUSBMuxVersion", 3);
	apple_put_str(p, "MessageType", type);
	return p;
}

bool mux_is_result(plist_t body, uint64_t *ret_number)
{
	if (strcmp(apple_str(body, "MessageType"), "Result") != 0)
		return false;
	/* go-ios reads a missing Number as 0; so do we not: what was not said is not a yes */
	if (!apple_uint(body, "Number", ret_number))
		*ret_number = MUX_BAD_COMMAND;
	return true;
}

void stg_mux_address(char *ret, size_t size)
{
	const char *env = getenv("USBMUXD_SOCKET_ADDRESS");
	if (env && *env) {
		if (strncasecmp(env, "unix:", 5) == 0 || env[0] == '/') {
			const char *path = env[0] == '/' ? env : env + 5;
			while (path[0] == '/' && path[1] == '/')
				path++;
			snprintf(ret, size, "UNIX:%s", path);
		} else {
			snprintf(ret, size, "%s", env);
		}
		return;
	}
	snprintf(ret, size, "UNIX:%s", access("/run/usbmuxd", F_OK) == 0 ? "/run/usbmuxd" : "/var/run/usbmuxd");
}

static int connected(int fd, int rc, const char *address, struct stg_error *err)
{
	if (rc == 0 || errno == EINPROGRESS)
		return fd;
	int e = errno;
	close(fd);
	enum stg_code code = e == ENOENT || e == ECONNREFUSED || e == ENOTDIR ? STG_E_NOT_FOUND :
			     e == EAGAIN ? STG_E_TIMEOUT : STG_E_IO;
	stg_fail_id(err, code, STG_ID_NO_USBMUXD, e, "usbmuxd at %s: %s", address, strerror(e));
	return -1;
}

static int connect_unix(const char *path, const char *address, struct stg_error *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	if (!stg_copy(a.sun_path, sizeof(a.sun_path), path)) {
		stg_fail_id(err, STG_E_STATION, STG_ID_SOCKET_PATH, 0, "usbmuxd at %s: path too long", address);
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		stg_fail(err, STG_E_IO, errno, "socket: %s", strerror(errno));
		return -1;
	}
	return connected(fd, connect(fd, (struct sockaddr *)&a, sizeof(a)), address, err);
}

static int connect_tcp(const char *address, struct stg_error *err)
{
	char host[256];
	const char *colon = strrchr(address, ':');
	size_t len = colon ? (size_t)(colon - address) : 0;
	const char *from = address;
	if (len >= 2 && from[0] == '[' && from[len - 1] == ']') {
		from++;
		len -= 2;
	}
	if (!colon || len == 0 || len >= sizeof(host)) {
		stg_fail_id(err, STG_E_USAGE, STG_ID_NO_USBMUXD, 0, "usbmuxd at '%s': not UNIX:/path and not host:port", address);
		return -1;
	}
	memcpy(host, from, len);
	host[len] = 0;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *found = NULL;
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0 || !found) {
		stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_NO_USBMUXD, 0, "usbmuxd at %s: no such host", address);
		return -1;
	}
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc = fd < 0 ? -1 : connect(fd, found->ai_addr, found->ai_addrlen);
	int e = errno;
	freeaddrinfo(found);
	errno = e;
	if (fd < 0) {
		stg_fail(err, STG_E_IO, e, "socket: %s", strerror(e));
		return -1;
	}
	return connected(fd, rc, address, err);
}

int mux_connect(const char *address, struct stg_error *err)
{
	if (strncmp(address, "UNIX:", 5) == 0)
		return connect_unix(address + 5, address, err);
	return connect_tcp(address, err);
}
