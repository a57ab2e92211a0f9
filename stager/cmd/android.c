/*
 * android.c - certificates and Wi-Fi as Android takes them.
 *
 * For:    people and scripts.
 * Uses:   ops/android.c.
 * Called: main.c.
 * Thread: the command's.
 */
#include <stdio.h>

#include <stager/clock.h>
#include <stager/text.h>

#include "_verbs.h"

static void say_ca(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c;
	printf(_("%s: a CA certificate for Settings > Security > Install a certificate. In a system image it is called %s.\n"), stg_json_str(in, "file"),
	       stg_json_str(ret, "name"));
}

static void say_wifi(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c;
	printf(_("%s: the network %s for the helper app on the device; it uses the identity called %s.\n"), stg_json_str(in, "file"),
	       stg_json_str(ret, "ssid"), stg_json_str(ret, "clientKeyAlias"));
}

static void say_checksum(const struct stg_cmd_ctx *c, const json_t *in, const json_t *ret)
{
	(void)c, (void)in;
	printf("PROVISIONING_DEVICE_ADMIN_SIGNATURE_CHECKSUM  %s\n", stg_json_str(ret, "signature_checksum"));
	printf("PROVISIONING_DEVICE_ADMIN_PACKAGE_CHECKSUM    %s\n", stg_json_str(ret, "package_checksum"));
	char until[STG_TIME_TEXT];
	const json_t *signer = json_object_get(ret, "signer");
	stg_time_text(stg_json_int(signer, "not_after_ms", 0), until);
	printf(_("Signed by %s until %.10s.\n"), stg_json_str(signer, "subject"), until);
	if (stg_json_bool(ret, "rotated", false))
		printf(_("Its newest key is another one: use the checksum of the package.\n"));
}

static const struct verb verbs[] = {
	{ "ca", "android.ca", "file> --authority< --pem! --org=", NULL, NULL, say_ca, NULL },
	{ "wifi", "android.wifi", "ssid file> --*domain, --*identity= --*alias= --anonymous= --authority< --hidden! --org=", NULL, NULL, say_wifi, NULL },
	{ "checksum", "android.checksum", "apk<", NULL, NULL, say_checksum, NULL },
	{ 0 },
};

static int run(struct stg_cmd_ctx *c)
{
	return verbs_run(c, verbs);
}

const struct stg_cmd stg_cmd_android = {
	.name = "android",
	.usage = N_("stager android ca FILE [--authority CA.pem] [--pem] [--org NAME]\n"
		    "    a CA certificate as Android installs it (DER); without --authority the organisation's root\n"
		    "stager android wifi SSID FILE --domain NAME,... --identity TEXT --alias NAME [--authority CA.pem] [--hidden] [--org NAME]\n"
		    "    an enterprise Wi-Fi with the device's certificate, with the server's CA and name that Android insists on\n"
		    "stager android checksum FILE.apk\n"
		    "    the two checksums of a device-policy controller for its QR code"),
	.about = N_("certificates and Wi-Fi as Android takes them"),
	.run = run,
};
