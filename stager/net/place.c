/*
 * place.c - addresses of what is no HTTP, taken apart: postgresql://, sftp://, syslog://, ldaps://.
 *
 * For:    targets and directories that have a protocol of their own.
 * Uses:   libcurl's reader of addresses, so that every address in the house is read by the same rules.
 * Called: when such a thing is checked or opened.
 * Thread: any; no state.
 */
#include <stdio.h>
#include <stdlib.h>

#include <curl/curl.h>

#include <stager/error.h>
#include <stager/net.h>

static void url_free_at(CURLU **u)
{
	curl_url_cleanup(*u);
}

static bool part(CURLU *u, CURLUPart which, unsigned int flags, char *ret, size_t size)
{
	char *text = NULL;
	*ret = 0;
	bool ok = curl_url_get(u, which, &text, flags) != CURLUE_OK || stg_copy(ret, size, text);
	curl_free(text);
	return ok;
}

bool stg_net_place(const char *url, const char *form, struct stg_net_place *ret, struct stg_error *err)
{
	STG_AUTO(url_free_at) CURLU *u = curl_url();
	struct stg_net_place p = { 0 };
	char port[8], more[8], shown[128], plain[300];
	stg_printable(url, false, shown, sizeof(shown));
	if (!u)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory for an address");
	if (curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME | CURLU_DISALLOW_USER) != CURLUE_OK) {
		/* a password inside must not reach a log, so the address is not repeated */
		if (strchr(url, '@'))
			return stg_fail(err, STG_E_INPUT, 0, "the address holds a user name or password, expected none: give them as setting and credential");
		return stg_fail(err, STG_E_INPUT, 0, "'%s' is not an address, %s was expected", shown, form);
	}
	if (!part(u, CURLUPART_SCHEME, 0, p.scheme, sizeof(p.scheme)) || !part(u, CURLUPART_HOST, 0, p.host, sizeof(p.host)) ||
	    !part(u, CURLUPART_PORT, 0, port, sizeof(port)) || !part(u, CURLUPART_PATH, CURLU_URLDECODE, p.path, sizeof(p.path)) || !*p.host ||
	    !part(u, CURLUPART_QUERY, 0, more, sizeof(more)) || *more || !part(u, CURLUPART_FRAGMENT, 0, more, sizeof(more)) || *more)
		return stg_fail(err, STG_E_INPUT, 0, "'%s' is not an address, %s was expected", shown, form);
	snprintf(plain, sizeof(plain), "http://%s/", p.host);
	p.is_loopback = stg_net_is_loopback(plain);
	size_t n = strlen(p.host);
	if (p.host[0] == '[' && n > 2) {
		memmove(p.host, p.host + 1, n - 2);
		p.host[n - 2] = 0;
	}
	if (p.path[0] == '/')
		memmove(p.path, p.path + 1, strlen(p.path));
	p.port = atoi(port);
	*ret = p;
	return true;
}
