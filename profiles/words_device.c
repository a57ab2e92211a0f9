/*
 * words_device.c - what a device looks like and how it may be used, in sentences: codes, one app, home screen, messages.
 *
 * For:    words.c.
 * Uses:   the tree words of this room.
 * Called: through the table in words.c.
 * Thread: any; no state.
 */
#include <stdio.h>

#include "words.h"

static bool number_of(plist_t d, const char *key, int64_t least, int64_t *ret)
{
	return tree_int(d, key, ret) && *ret >= least;
}

void tell_code(struct telling *t, plist_t d)
{
	int64_t n = 0;
	bool letters = tree_bool(d, "requireAlphanumeric", false);
	if (number_of(d, "minLength", 1, &n) && letters)
		say(t, "passcode.length", "Asks for a passcode of at least %lld characters, letters among them.", "Exige un code d'au moins %lld caractères, dont des lettres.",
		    (long long)n);
	else if (n > 0)
		say(t, "passcode.length", "Asks for a passcode of at least %lld digits.", "Exige un code d'au moins %lld chiffres.", (long long)n);
	else if (letters)
		say(t, "passcode.letters", "Asks for a passcode with letters and digits.", "Exige un code avec lettres et chiffres.");
	else if (tree_bool(d, "forcePIN", false))
		say(t, "passcode.any", "Asks for a passcode.", "Exige un code.");
	else
		say(t, "passcode.rules", "Sets rules for the passcode, but does not ask for one.", "Fixe des règles de code, sans en exiger un.");
	if (!tree_bool(d, "allowSimple", true))
		say(t, "passcode.simple", "Refuses simple codes such as 1234 or 1111.", "Refuse les codes simples comme 1234 ou 1111.");
	if (number_of(d, "minComplexChars", 1, &n))
		say(t, "passcode.complex", "At least %lld of its characters are neither letters nor digits.", "Au moins %lld de ses caractères ne sont ni lettres ni chiffres.",
		    (long long)n);
	if (number_of(d, "maxFailedAttempts", 1, &n))
		say(t, "passcode.attempts", "Erases the device after %lld wrong tries.", "Efface l'appareil après %lld essais faux.", (long long)n);
	if (number_of(d, "maxInactivity", 1, &n))
		say(t, "passcode.inactivity", "Locks itself after at most %lld minutes.", "Se verrouille après %lld minutes au plus.", (long long)n);
	if (number_of(d, "maxGracePeriod", 0, &n) && n == 0)
		say(t, "passcode.grace", "Asks for the code at once when it was locked.", "Demande le code dès qu'il est verrouillé.");
	else if (tree_get(d, "maxGracePeriod"))
		say(t, "passcode.grace", "Asks for the code no later than %lld minutes after it was locked.", "Demande le code au plus %lld minutes après le verrouillage.", (long long)n);
	if (number_of(d, "maxPINAgeInDays", 1, &n))
		say(t, "passcode.age", "Asks for a new code every %lld days.", "Exige un nouveau code tous les %lld jours.", (long long)n);
	if (number_of(d, "pinHistory", 1, &n))
		say(t, "passcode.history", "Refuses the last %lld codes.", "Refuse les %lld derniers codes.", (long long)n);
}

void tell_app_lock(struct telling *t, plist_t d)
{
	static const struct { const char *key, *english, *french; } off[] = {
		{ "DisableTouch", "the screen's touch", "le tactile" },
		{ "DisableSleepWakeButton", "the side button", "le bouton latéral" },
		{ "DisableVolumeButtons", "the volume buttons", "les boutons de volume" },
		{ "DisableDeviceRotation", "turning the screen", "la rotation de l'écran" },
		{ "DisableRingerSwitch", "the ring switch", "le bouton silence" },
		{ "DisableAutoLock", "locking by itself", "le verrouillage automatique" },
	};
	plist_t app = tree_get(d, "App"), options = tree_get(app, "Options");
	char list[TELL_MAX] = "";
	size_t at = 0;
	t->about = tree_str(app, "Identifier");
	say(t, "kiosk.app", "Locks the device to the app %.120s: nothing else can be opened.", "Bloque l'appareil sur l'app %.120s : rien d'autre ne s'ouvre.",
	    text_of(app, "Identifier"));
	for (size_t i = 0; i < STG_ARRAY_LEN(off); i++)
		if (tree_bool(options, off[i].key, false))
			at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", at ? ", " : "", in(t, off[i].english, off[i].french));
	if (at)
		say(t, "kiosk.off", "Switches off meanwhile: %s.", "Désactive pendant ce temps : %s.", list);
}

/* Apps and links, those in folders as well. Depth is bounded by the scanner. */
static void count_icons(plist_t list, uint32_t *apps, uint32_t *folders, uint32_t *links)
{
	for (uint32_t i = 0; i < count_of(list); i++) {
		plist_t one = plist_array_get_item(list, i);
		const char *type = text_or(tree_str(one, "Type"), "");
		if (is_list(one)) {
			count_icons(one, apps, folders, links);
		} else if (strcmp(type, "Folder") == 0) {
			++*folders;
			count_icons(tree_get(one, "Pages"), apps, folders, links);
		} else if (strcmp(type, "WebClip") == 0) {
			++*links;
		} else {
			++*apps;
		}
	}
}

void tell_home(struct telling *t, plist_t d)
{
	uint32_t apps = 0, folders = 0, links = 0;
	count_icons(tree_get(d, "Pages"), &apps, &folders, &links);
	count_icons(tree_get(d, "Dock"), &apps, &folders, &links);
	say(t, "home.layout", "Fixes the home screen: %u pages, %u apps, %u folders, %u links; %u of them in the Dock.",
	    "Fixe l'écran d'accueil : %u pages, %u apps, %u dossiers, %u liens ; dont %u dans le Dock.", count_of(tree_get(d, "Pages")), apps, folders, links,
	    count_of(tree_get(d, "Dock")));
}

void tell_notifications(struct telling *t, plist_t d)
{
	plist_t list = tree_get(d, "NotificationSettings");
	for (uint32_t i = 0; i < count_of(list) && i < 20; i++) {
		plist_t one = plist_array_get_item(list, i);
		int64_t preview = 0;
		const char *app = text_of(one, "BundleIdentifier");
		t->about = app;
		if (!tree_bool(one, "NotificationsEnabled", true))
			say(t, "notifications.off", "No notifications from %.120s.", "Pas de notifications de %.120s.", app);
		else if (!tree_bool(one, "ShowInLockScreen", true))
			say(t, "notifications.unlocked", "Notifications from %.120s, but not on the lock screen.", "Notifications de %.120s, mais pas sur l'écran verrouillé.", app);
		else if (tree_int(one, "PreviewType", &preview) && preview == 0)
			say(t, "notifications.previews", "Notifications from %.120s, readable on the lock screen.", "Notifications de %.120s, lisibles sur l'écran verrouillé.", app);
		else
			say(t, "notifications.on", "Notifications from %.120s.", "Notifications de %.120s.", app);
	}
	if (count_of(list) > 20)
		say(t, "notifications.more", "The same for %u more apps.", "De même pour %u autres apps.", count_of(list) - 20);
	t->about = NULL;
}

void tell_lock_screen(struct telling *t, plist_t d)
{
	static const char *const keys[] = { "AssetTagInformation", "LockScreenFootnote", "IfLostReturnToMessage" };
	for (size_t i = 0; i < STG_ARRAY_LEN(keys); i++) {
		const char *text = tree_str(d, keys[i]);
		t->about = text;
		if (text && *text)
			say(t, "lock_screen.text", "Shows \"%.200s\" on the lock screen.", "Affiche « %.200s » sur l'écran verrouillé.", text);
	}
}

void tell_web_clip(struct telling *t, plist_t d)
{
	char shown[URL_SHOWN];
	t->about = tree_str(d, "Label");
	say(t, "web_clip.add", "Adds the link %.60s (%s) to the home screen.", "Ajoute le lien %.60s (%s) à l'écran d'accueil.", text_of(d, "Label"),
	    url_shown(text_of(d, "URL"), shown));
	if (!tree_bool(d, "IsRemovable", true))
		say(t, "web_clip.stays", "The user cannot remove that link.", "L'utilisateur ne peut pas retirer ce lien.");
}

void tell_font(struct telling *t, plist_t d)
{
	t->about = text_or(tree_str(d, "Name"), tree_str(d, "PayloadDisplayName"));
	say(t, "font.add", "Adds the font %.80s.", "Ajoute la police %.80s.", text_or(t->about, "?"));
}

void tell_setup(struct telling *t, plist_t d)
{
	char list[TELL_MAX];
	if (texts_of(t, tree_get(d, "SkipSetupItems"), NULL, list))
		say(t, "setup.skip", "Leaves out these screens of the setup: %s.", "Omet ces écrans de la configuration : %s.", list);
	else
		say(t, "setup.none", "Leaves out no screen of the setup.", "N'omet aucun écran de la configuration.");
}

void tell_education(struct telling *t, plist_t d)
{
	t->about = tree_str(d, "OrganizationName");
	say(t, "classroom.setup", "Sets up classes of %.80s: %u groups, %u people.", "Configure les classes de %.80s : %u groupes, %u personnes.",
	    text_of(d, "OrganizationName"), count_of(tree_get(d, "Groups")), count_of(tree_get(d, "Users")));
}

void tell_tv(struct telling *t, plist_t d)
{
	char list[TELL_MAX];
	if (texts_of(t, tree_get(d, "AllowedTVs"), "TVDeviceName", list) || texts_of(t, tree_get(d, "AllowedTVs"), "TVDeviceID", list))
		say(t, "tv.only", "Is a remote control for these Apple TVs only: %s.", "N'est télécommande que de ces Apple TV : %s.", list);
	else
		say(t, "tv.none", "Is a remote control for no Apple TV.", "N'est télécommande d'aucune Apple TV.");
}
