/*
 * sftp.c - files on an SFTP server.
 *
 * For:    the target that drops CSV files there.
 * Uses:   libcurl with libssh2.
 * Called: push/kinds/sftp.c.
 * Thread: one at a time for each connection.
 * Facts:  libcurl 7.88 with libssh2 1.10 against OpenSSH 9.2: the response code is 0 in any case, only the CURLcode counts; a
 *         pinned host key switches known_hosts off; rename does not overwrite and fails as CURLE_QUOTE_ERROR; RSA user keys are
 *         refused by the server, because this libssh2 signs with SHA-1 only. Without a key of ours libcurl would look for one
 *         in the home folder, so the ways to sign in are named.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <curl/curl.h>

#include <stager/error.h>
#include <stager/sftp.h>

#define LIST_MAX (8u << 20)
#define NAMES_MAX 100000

struct stg_sftp {
	CURL *c;
	struct stg_stop *stop;
	char host[300], user[128], pin[64], key_path[40], why[CURL_ERROR_SIZE];
	char *password;
	int port, key_fd;
	enum stg_net_class class;
};

struct reading {
	struct stg_bytes from;
	size_t at;
};

static size_t give(char *to, size_t size, size_t n, void *ctx)
{
	struct reading *r = ctx;
	size_t left = r->from.len - r->at, most = size * n < left ? size * n : left;
	if (most)
		memcpy(to, r->from.data + r->at, most);
	r->at += most;
	return most;
}

static size_t take(char *from, size_t size, size_t n, void *ctx)
{
	return stg_buf_add(ctx, from, size * n, NULL) ? size * n : 0;
}

static int going_on(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	(void)a, (void)b, (void)c, (void)d;
	return stg_stop_pulled(((struct stg_sftp *)ctx)->stop);
}

bool stg_sftp_path_ok(const char *path)
{
	if (path[0] != '/' || path[1] == '~' || strstr(path, "..") || strlen(path) > 900)
		return false;
	for (const char *p = path; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '"' || *p == '\\')
			return false;
	return true;
}

struct stg_sftp *stg_sftp_new(const struct stg_sftp_where *w, struct stg_error *err)
{
	struct stg_sftp *s = stg_calloc(1, sizeof(*s));
	s->key_fd = -1;
	s->stop = w->stop;
	s->port = w->port ? w->port : 22;
	snprintf(s->host, sizeof(s->host), strchr(w->host, ':') ? "[%s]" : "%s", w->host);
	stg_copy(s->user, sizeof(s->user), w->user);
	stg_copy(s->pin, sizeof(s->pin), w->host_key);
	if (stg_net_start(err) && (s->c = curl_easy_init())) {
		if (!w->key_pem.len) {
			s->password = stg_strdup(w->password ? w->password : "");
			return s;
		}
		/* the library reads keys from files: this one has no name and nobody else's eyes */
		s->key_fd = memfd_create("key", MFD_CLOEXEC);
		if (s->key_fd >= 0 && fchmod(s->key_fd, 0600) == 0 && write(s->key_fd, w->key_pem.data, w->key_pem.len) == (ssize_t)w->key_pem.len) {
			snprintf(s->key_path, sizeof(s->key_path), "/proc/self/fd/%d", s->key_fd);
			return s;
		}
		stg_fail(err, STG_E_IO, 0, "the key cannot be handed on");
	} else if (err && err->code == STG_OK) {
		stg_fail(err, STG_E_NOMEM, 0, "no memory for a connection");
	}
	stg_sftp_free_at(&s);
	return NULL;
}

void stg_sftp_free_at(struct stg_sftp **sp)
{
	struct stg_sftp *s = *sp;
	if (!s)
		return;
	curl_easy_cleanup(s->c);
	stg_close_at(&s->key_fd);
	if (s->password) {
		explicit_bzero(s->password, strlen(s->password));
		free(s->password);
	}
	free(s);
	*sp = NULL;
}

enum stg_net_class stg_sftp_class(const struct stg_sftp *s)
{
	return s->class;
}

static enum stg_net_class class_of(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		return STG_NET_OFFLINE;
	case CURLE_PEER_FAILED_VERIFICATION:
		return STG_NET_TRUST;
	case CURLE_LOGIN_DENIED:
		return STG_NET_AUTH;
	case CURLE_QUOTE_ERROR:
	case CURLE_REMOTE_FILE_NOT_FOUND:
	case CURLE_REMOTE_ACCESS_DENIED:
	case CURLE_REMOTE_DISK_FULL:
	case CURLE_UPLOAD_FAILED:
	case CURLE_WRITE_ERROR:
		return STG_NET_SERVER;
	default:
		return STG_NET_IN_DOUBT;
	}
}

/* The connection stays from call to call; the options do not. */
static bool prepare(struct stg_sftp *s, const char *path, struct stg_error *err)
{
	CURLU *u = curl_url();
	char port[8], *url = NULL;
	bool ok = u != NULL;
	curl_easy_reset(s->c);
	s->why[0] = 0;
	snprintf(port, sizeof(port), "%d", s->port);
	ok = ok && curl_url_set(u, CURLUPART_SCHEME, "sftp", 0) == CURLUE_OK && curl_url_set(u, CURLUPART_HOST, s->host, 0) == CURLUE_OK &&
	     curl_url_set(u, CURLUPART_PORT, port, 0) == CURLUE_OK && curl_url_set(u, CURLUPART_PATH, path, CURLU_URLENCODE) == CURLUE_OK &&
	     curl_url_get(u, CURLUPART_URL, &url, 0) == CURLUE_OK;
#define SET(option, value) ok = ok && curl_easy_setopt(s->c, option, value) == CURLE_OK
	SET(CURLOPT_URL, url);
	SET(CURLOPT_PROTOCOLS_STR, "sftp");
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_USERNAME, s->user);
	SET(CURLOPT_SSH_HOST_PUBLIC_KEY_SHA256, s->pin);
	SET(CURLOPT_SSH_AUTH_TYPES, (long)(s->key_fd >= 0 ? CURLSSH_AUTH_PUBLICKEY : CURLSSH_AUTH_PASSWORD));
	if (s->key_fd >= 0)
		SET(CURLOPT_SSH_PRIVATE_KEYFILE, s->key_path);
	else
		SET(CURLOPT_PASSWORD, s->password);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, 10000L);
	SET(CURLOPT_LOW_SPEED_LIMIT, 100L);
	SET(CURLOPT_LOW_SPEED_TIME, 60L);
	SET(CURLOPT_TIMEOUT_MS, 300000L);
	SET(CURLOPT_ERRORBUFFER, s->why);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, going_on);
	SET(CURLOPT_XFERINFODATA, s);
	curl_free(url);
	curl_url_cleanup(u);
	return ok || stg_fail(err, STG_E_BUG, 0, "libcurl refuses an option");
}

static bool perform(struct stg_sftp *s, const char *what, const char *path, struct stg_error *err)
{
	CURLcode code = curl_easy_perform(s->c);
	char shown[160];
	if (code == CURLE_OK)
		return true;
	s->class = class_of(code);
	stg_printable(s->why[0] ? s->why : curl_easy_strerror(code), true, shown, sizeof(shown));
	return stg_fail(err, s->class == STG_NET_OFFLINE ? STG_E_GONE : STG_E_REFUSED, (int)code, "%s %.120s: %s", what, path, shown);
}

bool stg_sftp_put(struct stg_sftp *s, const char *path, struct stg_bytes what, struct stg_error *err)
{
	struct reading from = { .from = what };
	bool ok = prepare(s, path, err);
	SET(CURLOPT_UPLOAD, 1L);
	SET(CURLOPT_READFUNCTION, give);
	SET(CURLOPT_READDATA, &from);
	SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)what.len);
	return ok && perform(s, "write", path, err);
}

bool stg_sftp_get(struct stg_sftp *s, const char *path, struct stg_buf *ret, struct stg_error *err)
{
	bool ok = prepare(s, path, err);
	SET(CURLOPT_WRITEFUNCTION, take);
	SET(CURLOPT_WRITEDATA, ret);
	return ok && perform(s, "read", path, err);
}

json_t *stg_sftp_list(struct stg_sftp *s, const char *folder, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(LIST_MAX);
	char path[1024];
	snprintf(path, sizeof(path), "%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/");
	bool ok = prepare(s, path, err);
	SET(CURLOPT_DIRLISTONLY, 1L);
	SET(CURLOPT_WRITEFUNCTION, take);
	SET(CURLOPT_WRITEDATA, &text);
	if (!ok || !perform(s, "list", folder, err))
		return NULL;
	json_t *names = json_array();
	for (const char *at = stg_buf_str(&text); *at && json_array_size(names) < NAMES_MAX;) {
		size_t n = strcspn(at, "\n");
		if (n && n < 256)
			json_array_append_new(names, json_stringn(at, n));      /* one that is not UTF-8 is none of ours */
		at += n + (at[n] == '\n');
	}
	return names;
}

bool stg_sftp_rename(struct stg_sftp *s, const char *from, const char *to, struct stg_error *err)
{
	char command[2048];
	snprintf(command, sizeof(command), "rename \"%s\" \"%s\"", from, to);
	struct curl_slist *list = curl_slist_append(NULL, command);
	char folder[1024];
	stg_copy(folder, sizeof(folder), to);
	char *slash = strrchr(folder, '/');
	if (slash)
		slash[1] = 0;
	bool ok = list && prepare(s, folder, err);
	SET(CURLOPT_NOBODY, 1L);
	SET(CURLOPT_QUOTE, list);
	ok = ok && perform(s, "rename", to, err);
	curl_slist_free_all(list);
	return ok;
#undef SET
}
