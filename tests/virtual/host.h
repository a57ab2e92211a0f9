/*
 * host.h - a host for tests: speaks usbmuxd's and the devices' protocols in raw bytes, blocking, with one generous deadline.
 *
 * Everything fails the running test with a sentence instead of returning errors. Keys are P-256, made once for each
 * program: a device compares certificates and does not care.
 */
#ifndef TESTS_VIRTUAL_HOST_H
#define TESTS_VIRTUAL_HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <plist/plist.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stager/error.h>
#include <stager/json.h>

#define HOST_TIMEOUT_MS 60000

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"

/* ---- a bench process ---- */

struct bench {
	pid_t pid;
	int out;
	char dir[64], mux[100], ctl[100], sysfs[100];
	bool without_sysfs;
	char udid[64];     /* of the first device */
	json_t *ready;
};

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static int unix_connect(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(stg_copy(a.sun_path, sizeof(a.sun_path), path));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void write_exactly(int fd, const void *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			fail_msg("write: %s", strerror(errno));
		data = (const char *)data + n;
		len -= (size_t)n;
	}
}

/* False at the end of the stream. */
static bool read_exactly(int fd, void *data, size_t len)
{
	while (len > 0) {
		ssize_t n;

		if (!readable(fd, HOST_TIMEOUT_MS))
			fail_msg("nothing came in %d ms", HOST_TIMEOUT_MS);
		n = recv(fd, data, len, 0);
		if (n <= 0)
			return false;
		data = (char *)data + n;
		len -= (size_t)n;
	}
	return true;
}

static json_t *read_json_line(int fd)
{
	static char line[8u << 20];
	size_t n = 0;
	json_t *j;

	do {
		assert_true(n < sizeof(line) - 1);
		if (!readable(fd, HOST_TIMEOUT_MS))
			fail_msg("no line in %d ms", HOST_TIMEOUT_MS);
		if (read(fd, line + n, 1) != 1)
			fail_msg("the bench ended early");
	} while (line[n++] != '\n');
	j = json_loadb(line, n, 0, NULL);
	assert_non_null(j);
	return j;
}

/* One word to the bench; "text" is split at spaces. Returns the whole answer. */
static json_t *ask_bench(struct bench *b, const char *text)
{
	json_t *q = json_object(), *args = json_array(), *a;
	char words[600], *word, *rest = words, *wire;
	int fd = unix_connect(b->ctl);

	assert_true(fd >= 0);
	stg_copy(words, sizeof(words), text);
	word = strsep(&rest, " ");
	json_object_set_new(q, "verb", json_string(word));
	while ((word = strsep(&rest, " ")))
		json_array_append_new(args, json_string(word));
	json_object_set_new(q, "args", args);
	wire = json_dumps(q, JSON_COMPACT);
	write_exactly(fd, wire, strlen(wire));
	write_exactly(fd, "\n", 1);
	free(wire);
	json_decref(q);
	a = read_json_line(fd);
	close(fd);
	return a;
}

/* The same, must be answered with ok. */
static void tell(struct bench *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct bench *b, const char *fmt, ...)
{
	char text[600];
	va_list ap;
	json_t *a;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	a = ask_bench(b, text);
	if (!stg_json_bool(a, "ok", false))
		fail_msg("'%s' answered: %s", text, stg_json_str(a, "error"));
	json_decref(a);
}

static json_t *show(struct bench *b, const char *who)
{
	char text[120];
	json_t *a, *d;

	snprintf(text, sizeof(text), "show %s", who);
	a = ask_bench(b, text);
	assert_true(stg_json_bool(a, "ok", false));
	d = json_incref(json_object_get(a, "device"));
	json_decref(a);
	return d;
}

static int64_t count_of(struct bench *b, const char *who, const char *line)
{
	json_t *d = show(b, who);
	int64_t n = stg_json_int(json_object_get(d, "counts"), line, 0);

	json_decref(d);
	return n;
}

/* b is zeroed or holds without_sysfs only. options: NULL-ended words after the program's name. */
static void bench_begin(struct bench *b, ...)
{
	char program[4200] = "", *argv[40], *tmp = getenv("TMPDIR");
	const char *given = getenv("STAGER_BENCH");
	int pipes[2], n = 0;
	va_list ap;
	json_t *list;

	*b = (struct bench){ .without_sysfs = b->without_sysfs };
	signal(SIGPIPE, SIG_IGN);
	if (given) {
		stg_copy(program, sizeof(program), given);
	} else {
		ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 40);

		assert_true(len > 0);
		program[len] = '\0';
		for (int i = 0; i < 3; i++)
			*strrchr(program, '/') = '\0';
		strcat(program, "/stager-bench");
	}
	snprintf(b->dir, sizeof(b->dir), "%.40s/vb.XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->mux, sizeof(b->mux), "%s/mux", b->dir);
	snprintf(b->ctl, sizeof(b->ctl), "%s/ctl", b->dir);
	snprintf(b->sysfs, sizeof(b->sysfs), "%s/sys", b->dir);
	argv[n++] = program;
	argv[n++] = (char *)(uintptr_t)"--with-parent";
	argv[n++] = (char *)(uintptr_t)"--usbmuxd";
	argv[n++] = b->mux;
	argv[n++] = (char *)(uintptr_t)"--usbmuxd";
	argv[n++] = (char *)(uintptr_t)"tcp:127.0.0.1:0";
	argv[n++] = (char *)(uintptr_t)"--control";
	argv[n++] = b->ctl;
	if (!b->without_sysfs) {
		argv[n++] = (char *)(uintptr_t)"--sysfs";
		argv[n++] = b->sysfs;
	}
	va_start(ap, b);
	do
		argv[n] = va_arg(ap, char *);
	while (argv[n++]);
	va_end(ap);
	assert_return_code(pipe2(pipes, O_CLOEXEC), errno);
	b->pid = fork();
	if (b->pid == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		execv(program, argv);
		_exit(127);
	}
	close(pipes[1]);
	b->out = pipes[0];
	b->ready = read_json_line(b->out);
	assert_true(stg_json_bool(b->ready, "ready", false));
	list = ask_bench(b, "list");
	stg_copy(b->udid, sizeof(b->udid), stg_json_str(json_array_get(json_object_get(list, "devices"), 0), "udid"));
	json_decref(list);
}

static void bench_end(struct bench *b)
{
	char text[160];
	int status = 0;

	kill(b->pid, SIGTERM);
	waitpid(b->pid, &status, 0);
	close(b->out);
	json_decref(b->ready);
	snprintf(text, sizeof(text), "rm -rf '%s'", b->dir);
	if (system(text) != 0)
		fail_msg("cannot remove %s", b->dir);
	/* A sanitizer's or an assertion's word must not be lost. */
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- the mux ---- */

static int mux_connect(struct bench *b)
{
	int fd = unix_connect(b->mux);

	assert_true(fd >= 0);
	return fd;
}

static void mux_send(int fd, plist_t msg, uint32_t tag)
{
	char *xml = NULL;
	uint32_t len = 0, head[4];

	plist_to_xml(msg, &xml, &len);
	plist_free(msg);
	head[0] = 16 + len;
	head[1] = 1;
	head[2] = 8;
	head[3] = tag;
	write_exactly(fd, head, sizeof(head));
	write_exactly(fd, xml, len);
	free(xml);
}

/* NULL at the end of the stream. */
static plist_t mux_read(int fd, uint32_t *ret_tag)
{
	uint32_t head[4];
	char *body;
	plist_t p = NULL;

	if (!read_exactly(fd, head, sizeof(head)))
		return NULL;
	assert_true(head[0] > 16 && head[0] < 16u << 20);
	assert_int_equal(head[1], 1);
	assert_int_equal(head[2], 8);
	body = malloc(head[0] - 16);
	assert_true(read_exactly(fd, body, head[0] - 16));
	plist_from_xml(body, head[0] - 16, &p);
	free(body);
	assert_non_null(p);
	if (ret_tag)
		*ret_tag = head[3];
	return p;
}

static plist_t mux_message(const char *type)
{
	plist_t m = plist_new_dict();

	plist_dict_set_item(m, "MessageType", plist_new_string(type));
	return m;
}

static const char *text_in(plist_t p, const char *key)
{
	plist_t n = p ? plist_dict_get_item(p, key) : NULL;

	return n && plist_get_node_type(n) == PLIST_STRING ? plist_get_string_ptr(n, NULL) : "";
}

static int64_t number_in(plist_t p, const char *key)
{
	plist_t n = p ? plist_dict_get_item(p, key) : NULL;
	uint64_t v = 0;

	if (!n || plist_get_node_type(n) != PLIST_UINT)
		return -1;
	plist_get_uint_val(n, &v);
	return (int64_t)v;
}

static bool truth_in(plist_t p, const char *key)
{
	plist_t n = p ? plist_dict_get_item(p, key) : NULL;
	uint8_t v = 0;

	if (!n || plist_get_node_type(n) != PLIST_BOOLEAN)
		return false;
	plist_get_bool_val(n, &v);
	return v != 0;
}

static struct stg_bytes data_in(plist_t p, const char *key)
{
	plist_t n = p ? plist_dict_get_item(p, key) : NULL;
	uint64_t len = 0;
	const char *data;

	if (!n || plist_get_node_type(n) != PLIST_DATA)
		return stg_bytes(NULL, 0);
	data = plist_get_data_ptr(n, &len);
	return stg_bytes(data, len);
}

/* Sends and returns the Number of the Result, -1 for another answer. */
static int64_t mux_result(int fd, plist_t msg)
{
	plist_t a;
	int64_t n;

	mux_send(fd, msg, 77);
	a = mux_read(fd, NULL);
	n = number_in(a, "Number");
	plist_free(a);
	return n;
}

/* 0: not in the list. */
static uint32_t device_id(struct bench *b, const char *udid)
{
	int fd = mux_connect(b);
	plist_t a, list;
	uint32_t id = 0;

	mux_send(fd, mux_message("ListDevices"), 5);
	a = mux_read(fd, NULL);
	list = plist_dict_get_item(a, "DeviceList");
	for (uint32_t i = 0; i < plist_array_get_size(list); i++) {
		plist_t d = plist_array_get_item(list, i), props = plist_dict_get_item(d, "Properties");

		if (strcmp(text_in(props, "SerialNumber"), udid) == 0)
			id = (uint32_t)number_in(d, "DeviceID");
	}
	plist_free(a);
	close(fd);
	return id;
}

static int64_t try_port(int fd, uint32_t id, uint16_t port)
{
	plist_t m = mux_message("Connect");

	plist_dict_set_item(m, "DeviceID", plist_new_uint(id));
	plist_dict_set_item(m, "PortNumber", plist_new_uint(htons(port)));
	return mux_result(fd, m);
}

static int connect_port(struct bench *b, const char *udid, uint16_t port)
{
	int fd = mux_connect(b);

	assert_int_equal(try_port(fd, device_id(b, udid), port), 0);
	return fd;
}

/* ---- a connection with or without TLS ---- */

struct link {
	int fd;
	SSL *ssl;
};

static void link_close(struct link *l)
{
	if (l->ssl)
		SSL_free(l->ssl);
	if (l->fd >= 0)
		close(l->fd);
	l->ssl = NULL;
	l->fd = -1;
}

static bool link_read(struct link *l, void *data, size_t len)
{
	while (len > 0 && l->ssl) {
		int n;

		if (SSL_pending(l->ssl) == 0 && !readable(l->fd, HOST_TIMEOUT_MS))
			fail_msg("nothing came in %d ms", HOST_TIMEOUT_MS);
		n = SSL_read(l->ssl, data, (int)len);
		if (n <= 0)
			return false;
		data = (char *)data + n;
		len -= (size_t)n;
	}
	return len == 0 || read_exactly(l->fd, data, len);
}

static bool link_write(struct link *l, const void *data, size_t len)
{
	if (l->ssl)
		return SSL_write(l->ssl, data, (int)len) == (int)len;
	return send(l->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool link_send(struct link *l, plist_t msg)
{
	char *xml = NULL;
	uint32_t len = 0, head;
	char *frame;
	bool ok;

	plist_to_xml(msg, &xml, &len);
	plist_free(msg);
	frame = malloc(len + 4);
	head = htonl(len);
	memcpy(frame, &head, 4);
	memcpy(frame + 4, xml, len);
	ok = link_write(l, frame, len + 4);
	free(frame);
	free(xml);
	return ok;
}

/* NULL when the other side closed or spoke nonsense. */
static plist_t link_recv(struct link *l)
{
	uint32_t head;
	char *body;
	plist_t p = NULL;

	if (!link_read(l, &head, 4))
		return NULL;
	head = ntohl(head);
	assert_true(head < 64u << 20);
	body = malloc(head + 1);
	if (link_read(l, body, head))
		plist_from_memory(body, head, &p);
	free(body);
	return p;
}

static plist_t link_ask(struct link *l, plist_t msg)
{
	return link_send(l, msg) ? link_recv(l) : NULL;
}

static plist_t lockdown_request(const char *name)
{
	plist_t m = plist_new_dict();

	plist_dict_set_item(m, "Label", plist_new_string("test"));
	plist_dict_set_item(m, "Request", plist_new_string(name));
	plist_dict_set_item(m, "ProtocolVersion", plist_new_string("2"));
	return m;
}

/* ---- an identity ---- */

static EVP_PKEY *host_key(void)
{
	static EVP_PKEY *key;

	if (!key)
		key = EVP_EC_gen("P-256");
	assert_non_null(key);
	return key;
}

static X509 *make_cert(EVP_PKEY *pub, EVP_PKEY *signer, const char *name)
{
	X509 *c = X509_new();

	X509_set_version(c, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c), 0);
	X509_gmtime_adj(X509_getm_notBefore(c), -3600);
	X509_gmtime_adj(X509_getm_notAfter(c), 3600 * 24 * 365);
	if (name)
		X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(c, X509_get_subject_name(c));
	X509_set_pubkey(c, pub);
	assert_true(X509_sign(c, signer, EVP_sha256()) > 0);
	return c;
}

static plist_t pem_node(X509 *c)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;
	plist_t p;

	PEM_write_bio_X509(bio, c);
	len = BIO_get_mem_data(bio, &text);
	p = plist_new_data(text, (uint64_t)len);
	BIO_free(bio);
	return p;
}

static plist_t der_node(X509 *c)
{
	unsigned char *der = NULL;
	int len = i2d_X509(c, &der);
	plist_t p = plist_new_data((const char *)der, (uint64_t)len);

	OPENSSL_free(der);
	return p;
}

/* What a host keeps of one trust. */
struct trust {
	char host_id[40];
	X509 *root, *host, *device;
	uint8_t escrow_bag[32];
	bool has_bag;
};

static void trust_free(struct trust *t)
{
	X509_free(t->root);
	X509_free(t->host);
	X509_free(t->device);
	memset(t, 0, sizeof(*t));
}

static struct link lockdown(struct bench *b, const char *udid)
{
	return (struct link){ .fd = connect_port(b, udid, 62078) };
}

/* GetValue; the whole answer. */
static plist_t get_value(struct link *l, const char *domain, const char *key)
{
	plist_t m = lockdown_request("GetValue");

	if (domain)
		plist_dict_set_item(m, "Domain", plist_new_string(domain));
	if (key)
		plist_dict_set_item(m, "Key", plist_new_string(key));
	return link_ask(l, m);
}

static EVP_PKEY *device_public_key(struct link *l)
{
	plist_t a = get_value(l, NULL, "DevicePublicKey");
	struct stg_bytes pem = data_in(a, "Value");
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	EVP_PKEY *key = NULL;
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	const unsigned char *p;
	long len = 0;

	assert_int_equal(PEM_read_bio(bio, &name, &header, &der, &len), 1);
	assert_string_equal(name, "RSA PUBLIC KEY");
	p = der;
	key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, len);
	assert_non_null(key);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	BIO_free(bio);
	plist_free(a);
	return key;
}

static void trust_make(struct trust *t, struct link *l)
{
	EVP_PKEY *key = device_public_key(l);
	static unsigned int n;

	memset(t, 0, sizeof(*t));
	snprintf(t->host_id, sizeof(t->host_id), "00000000-0000-4000-8000-%06u%06u", (unsigned int)getpid() % 1000000, ++n);
	t->root = make_cert(host_key(), host_key(), NULL);
	t->host = make_cert(host_key(), host_key(), "host");
	t->device = make_cert(key, host_key(), "device");
	EVP_PKEY_free(key);
}

static plist_t pair_message(const struct trust *t)
{
	plist_t m = lockdown_request("Pair"), r = plist_new_dict(), o = plist_new_dict();

	plist_dict_set_item(r, "DeviceCertificate", pem_node(t->device));
	plist_dict_set_item(r, "HostCertificate", pem_node(t->host));
	plist_dict_set_item(r, "RootCertificate", pem_node(t->root));
	plist_dict_set_item(r, "HostID", plist_new_string(t->host_id));
	plist_dict_set_item(r, "SystemBUID", plist_new_string("30142955-444094379208051516"));
	plist_dict_set_item(m, "PairRecord", r);
	plist_dict_set_item(o, "ExtendedPairingErrors", plist_new_bool(1));
	plist_dict_set_item(m, "PairingOptions", o);
	return m;
}

/* The Error of a Pair, "" for success; keeps the bag. */
static const char *try_pair(struct link *l, struct trust *t, plist_t msg)
{
	static char error[64];
	plist_t a = link_ask(l, msg ? msg : pair_message(t));
	struct stg_bytes bag = data_in(a, "EscrowBag");

	assert_non_null(a);
	stg_copy(error, sizeof(error), text_in(a, "Error"));
	if (bag.len == sizeof(t->escrow_bag)) {
		memcpy(t->escrow_bag, bag.data, bag.len);
		t->has_bag = true;
	}
	plist_free(a);
	return error;
}

static void pair(struct bench *b, const char *udid, struct trust *t)
{
	struct link l = lockdown(b, udid);

	trust_make(t, &l);
	assert_string_equal(try_pair(&l, t, NULL), "");
	link_close(&l);
}

/* False: the handshake failed. TLS 1.2 shows a refusal in the handshake itself. */
static bool link_secure(struct link *l, X509 *cert, int max_version)
{
	static SSL_CTX *ctx;

	if (!ctx) {
		ctx = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_security_level(ctx, 0);
	}
	l->ssl = SSL_new(ctx);
	SSL_set_max_proto_version(l->ssl, max_version);
	SSL_use_certificate(l->ssl, cert);
	SSL_use_PrivateKey(l->ssl, host_key());
	SSL_set_fd(l->ssl, l->fd);
	if (SSL_connect(l->ssl) == 1)
		return true;
	ERR_clear_error();
	return false;
}

static plist_t start_session(struct link *l, const char *host_id)
{
	plist_t m = lockdown_request("StartSession");

	plist_dict_set_item(m, "HostID", plist_new_string(host_id));
	plist_dict_set_item(m, "SystemBUID", plist_new_string("30142955-444094379208051516"));
	return link_ask(l, m);
}

/* A lockdown connection in a session; ret_id may be NULL. */
static struct link session(struct bench *b, const char *udid, const struct trust *t, char ret_id[64])
{
	struct link l = lockdown(b, udid);
	plist_t a = start_session(&l, t->host_id);

	if (text_in(a, "Error")[0])
		fail_msg("StartSession: %s", text_in(a, "Error"));
	assert_true(truth_in(a, "EnableSessionSSL"));
	if (ret_id)
		stg_copy(ret_id, 64, text_in(a, "SessionID"));
	plist_free(a);
	assert_true(link_secure(&l, t->root, TLS1_3_VERSION));
	return l;
}

/* StartService: the port, or 0 with the error. */
static uint16_t start_service(struct link *l, const char *name, const uint8_t *bag, char ret_error[64])
{
	plist_t m = lockdown_request("StartService"), a;
	int64_t port;

	plist_dict_set_item(m, "Service", plist_new_string(name));
	if (bag)
		plist_dict_set_item(m, "EscrowBag", plist_new_data((const char *)bag, 32));
	a = link_ask(l, m);
	port = number_in(a, "Port");
	if (ret_error)
		stg_copy(ret_error, 64, text_in(a, "Error"));
	plist_free(a);
	return port > 0 ? (uint16_t)port : 0;
}

static struct link open_service(struct bench *b, const char *udid, const struct trust *t, const char *name)
{
	struct link l = session(b, udid, t, NULL), s;
	uint16_t port = start_service(&l, name, NULL, NULL);

	assert_true(port >= 49152);
	link_close(&l);
	s.fd = connect_port(b, udid, port);
	assert_true(link_secure(&s, t->host, TLS1_3_VERSION));
	return s;
}

#pragma GCC diagnostic pop
#endif
