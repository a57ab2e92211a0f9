#!/usr/bin/env bats
# What stands in the brackets of a message is in the reader's language too, and stays what was said.

load lib.bash

setup() { desk; }
teardown() { desk_away; }

# What blueprint check says of these steps, after the file and the line.
wrong() {
	printf 'name: wrong\nsteps:\n%s\n' "$1" >"$DESK/wrong.yaml"
	stager --lang fr blueprint check "$DESK/wrong.yaml"
	is_status 3
	[[ "$stderr" == *"$2"* ]] || { echo "$1: $stderr"; false; }
}

@test "what is wrong in a blueprint is said in French, with the words of the file as they are" {
	wrong '  - instal_profile: {profile: wifi}' "étape inconnue « instal_profile » ; vouliez-vous dire « install_profile » ?"
	wrong '  - require: {batery: 5}' "clé inconnue « batery » ; vouliez-vous dire « battery » ?"
	wrong '  - require: {battery: full}' "attendu : un nombre entier"
	wrong '  - require: {os: abc}' "« os » vaut « abc » ; attendu : une version"
	wrong '  - pair:
  - set_name: {name: "{{nom"}' "n'est jamais fermé"
	wrong '  - pair:
  - supervise: {skip: [Sirri]}' "supervise: aucun écran de configuration « Sirri » ; vouliez-vous dire « Siri » ?"
	wrong '  - wait_back: {timeout: 10 min}' "wait_back n'attend rien ; attendu : « erase » juste avant"
	wrong '  - verify: {profiles: [a' "ni « , » ni « ] » trouvé dans une liste entre crochets commencé ligne 3"
	wrong "$(printf '  - pair:\n\t- verify:')" "ligne"
}

@test "a profile's mistakes and notes are said in French" {
	printf 'hello' >"$DESK/p.mobileconfig"
	stager --lang fr profile lint "$DESK/p.mobileconfig"
	is_status 3
	[[ "$stderr" == *"ni une liste de propriétés, ni une signée"* ]]
	printf '<?xml version="1.0"?>\n<plist version="1.0"><dict><key>a</key></dict></plist>' >"$DESK/p.mobileconfig"
	stager --lang fr profile lint "$DESK/p.mobileconfig"
	[[ "$stderr" == *":2:33: a: la clé « a » n'a pas de valeur"* ]] || { echo "$stderr"; false; }
	stager --lang fr profile lint "$TOP/profiles/templates/restrictions-ward.mobileconfig"
	is_status 0
	[[ "$output" == *"remarque"*"seul un appareil supervisé obéit à "[0-9]*" de ces restrictions"* ]] || { echo "$output"; false; }
	! grep -E 'warning|device|only' <<<"$output"
}

@test "lists say what things are for in French, and programs read English" {
	for words in "blueprint list" "blueprint steps" "target connectors" "blueprint check ipad-hospital-ward"; do
		# shellcheck disable=SC2086 # words
		stager --lang fr $words
		is_status 0
		! grep -wE 'the|device|with|supervised device|must' <<<"$output" || { echo "$words"; false; }
	done
	stager --lang fr --json blueprint check nosuch
	! grep -q 'é' <<<"$output"
	stager --lang en blueprint steps
	grep -q 'makes the device trust this station' <<<"$output"
}

@test "what is wrong with a target is said in French" {
	stager --lang fr target add t --connector webhook --config url=ftp://x
	is_status 3
	[[ "$stderr" == *"« ftp://x » commence par ftp:// ; attendu : https://"* ]] || { echo "$stderr"; false; }
	stager --lang fr target add t --url https://example.org --config colour=red
	[[ "$stderr" == *"le réglage « colour » est inconnu de ce connecteur"* ]] || { echo "$stderr"; false; }
}

# A sentence that was changed where it is made, and not here, would come back in English.
@test "every sentence to translate is one the program makes" {
	command -v perl >/dev/null || skip "no perl"
	run perl -0777 -e '
		my ($list, @files) = @ARGV;
		my $all = "";
		for (@files) { open my $f, "<", $_ or die; $all .= <$f>; }
		$all =~ s/(?<!\\)"\s*"//g;
		open my $f, "<", $list or die;
		my $text = <$f>;
		$text =~ s/const char \*const detail_foreign.*//s;
		while ($text =~ /N_\("((?:[^"\\]|\\.)*)"\)/g) {
			my $sentence = $1;
			for my $part (split /%(?!%)[-0-9.*lzhj]*[sdu]/, $sentence) {
				next if length $part < 4;
				print "no longer said: $sentence\n" if index($all, $part) < 0;
			}
		}' "$TOP/stager/cmd/_sentences.c" $(find "$TOP/stager" "$TOP/drivers/apple" "$TOP/profiles" \( -name '*.c' -o -name '*.yaml' \) -not -name _sentences.c)
	[ -z "$output" ] || { echo "$output"; false; }
}
