#!/usr/bin/env bats
# Who devices are for: lists of people from files, the owner column of an order, and what is forgotten again.

load lib.bash

setup() {
	desk
	"$STAGER" --quiet init --rehearsal
}
teardown() { desk_away; }

staff() {
	printf 'Exported on Monday\nNom;Adresse électronique;Matricule;Compte;Service;Désactivé\n' >"$DESK/staff.csv"
	printf 'Jane Doe;jane@example.org;0042;jdoe;Cardiology;\nJean Dupont;jean@example.org;0043;jdupont;;oui\n' >>"$DESK/staff.csv"
	printf '=cmd|calc;evil@example.org;;;;\nNo Key;;;;;\n' >>"$DESK/staff.csv"
	"$STAGER" --quiet people import "$DESK/staff.csv"
}

order() { # LINE...
	printf 'Serial Number,%s,Asset Tag\n' "${HEADING:-Owner}" >"$DESK/order.csv"
	local n=1
	for who; do printf 'F2LXK0AA%04d,%s,T%d\n' "$n" "$who" "$n" >>"$DESK/order.csv"; n=$((n + 1)); done
}

@test "what is no list of people is refused, and says what was expected" {
	printf 'colour,size\nred,7\n' >"$DESK/other.csv"
	stager people import "$DESK/other.csv"
	is_status 3
	[[ "$stderr" == *STG-2041*other.csv* ]]
	one_sentence
	printf 'dn: cn=a,dc=example\nchangetype: modify\nreplace: mail\nmail: a@b\n-\n' >"$DESK/changes.ldif"
	stager people import "$DESK/changes.ldif"
	is_status 3
	[[ "$stderr" == *STG-2042*changes.ldif:2* ]]
	printf 'dn: cn=a,dc=example\nmail: a@example.org\ndn: cn=b,dc=example\n' >"$DESK/broken.ldif"
	stager people import "$DESK/broken.ldif"
	is_status 3
	[[ "$stderr" == *STG-2041*broken.ldif:3* ]]
	printf 'dn: cn=a,dc=example\nmail:: not*base64\n' >"$DESK/broken.ldif"
	stager people import "$DESK/broken.ldif"
	is_status 3
	[[ "$stderr" == *broken.ldif:2* ]]
	printf 'name,place\nJane,here\n' >"$DESK/names.csv"
	stager people import "$DESK/names.csv" --map mail=nosuch
	is_status 3
	stager people import "$DESK/names.csv" --map shoe=place
	is_status 2
	stager people fetch nobody
	[[ "$stderr" == *STG-1721* ]]
	printf '\n\n' | "$STAGER" --quiet target add mdm --url http://127.0.0.1:9/
	stager window open
	stager people fetch mdm
	[[ "$stderr" == *STG-2044* ]]
	stager people --json
	[ "$(jq -r '.people | length' <<<"$output")" = 0 ]
}

@test "a spreadsheet of staff: by account, mail or number; who is disabled is said" {
	staff
	stager people
	is_status 0
	[[ "$output" == *"Jane Doe"* && "$output" == *"3 people"* ]]
	for word in JDOE jane@Example.org 0042 'CORP\jdoe'; do
		stager people show "$word"
		is_status 0
		[[ "$output" == *Cardiology* ]]
	done
	stager people show jdupont
	[[ "$output" == *STG-2040* ]]
	stager people show nobody
	[ "$status" -ne 0 ]
	[[ "$stderr" == *STG-2038* ]]
	# the next list takes the place of this one
	printf 'mail,name\nnew@example.org,New\n' >"$DESK/next.csv"
	stager people import "$DESK/next.csv"
	stager people show jdoe
	[[ "$stderr" == *STG-2038* ]]
	stager people import "$DESK/next.csv" --map mail=A --map name=2 --name other
	is_status 0
	[[ "$output" == *"List other: 1 person"* ]]
}

@test "LDIF: folded lines, base64, remarks; groups, computers and what is no text stay out" {
	{
		printf 'version: 1\n# the\n  staff\n\ndn: cn=Jane,dc=example\nobjectClass: inetOrgPerson\ncn: wrong\ndisplayName:: SsOpcsO0bWU=\n'
		printf 'mail: jerome@exam\n ple.org\nuserAccountControl: 514\nsAMAccountName: jerome\njpegPhoto:: AAECAwQ=\nmail: second@example.org\n\n'
		printf 'dn: cn=g,dc=example\nobjectClass: groupOfNames\ncn: g\nmail: group@example.org\n\n'
		printf 'dn: cn=pc,dc=example\nobjectClass: user\nobjectClass: computer\nsAMAccountName: PC$\n\n'
		printf 'dn: cn=bin,dc=example\nobjectClass: person\nmail:: /wD+\n\ndn: cn=far,dc=example\nobjectClass: person\nmail:< file:///etc/passwd\n'
	} >"$DESK/staff.ldif"
	stager people import "$DESK/staff.ldif" --name ad
	is_status 0
	[[ "$output" == *"List ad: 1 person"* && "$output" == *"2 entries could not be used"*"staff.ldif:26"* ]] || { echo "$output"; false; }
	stager --json people show jerome
	[ "$(jq -r '[.name, .mail, .disabled] | join("/")' <<<"$output")" = "Jérôme/jerome@example.org/true" ]
	stager people import "$DESK/staff.ldif" --name ad --map name=cn --map mail=nosuch
	stager --json people show jerome
	[ "$(jq -r '[.name, .mail // "-"] | join("/")' <<<"$output")" = "wrong/-" ]
}

@test "an order whose owners nobody knows is told line by line; refused where that was asked for" {
	staff
	printf 'account,mail,number\njane2,jane@example.org,\n' >"$DESK/more.csv"
	printf 'account,mail,number\nx1,,77\nx2,,77\n' >>"$DESK/more.csv"
	"$STAGER" --quiet people import "$DESK/more.csv" --name more
	order jdoe nobody 77 jdupont ''
	stager batch import "$DESK/order.csv" --name N --blueprint census --people refuse
	is_status 3
	[[ "$stderr" == *"order.csv:3"*STG-2038* && "$stderr" == *"(+2)"* ]]
	stager batch show N
	[ "$status" -ne 0 ]
	stager batch import "$DESK/order.csv" --name N --blueprint census --people perhaps
	is_status 2
	stager batch check "$DESK/order.csv"
	[[ "$output" == *"2 found"*"3 to look at"* ]]
	stager batch import "$DESK/order.csv" --name N --blueprint census
	is_status 0
	[[ "$output" == *"order.csv:3"*STG-2038*"order.csv:4"*STG-2039*"order.csv:5"*STG-2040* ]]
	stager --json batch show N
	[ "$(jq -r '.rows[0].attributes | [.owner, .owner_name, .owner_mail, .owner_department] | join("/")' <<<"$output")" = "jdoe/Jane Doe/jane@example.org/Cardiology" ]
	[ "$(jq -r '.rows[1].attributes | keys | join("/")' <<<"$output")" = owner ]
	stager batch import "$DESK/order.csv" --name M --blueprint census --people off
	[[ "$output" != *STG-20* ]]
}

@test "another heading does as well, by itself or by --map; without lists nothing is asked" {
	HEADING=Utilisateur order jdoe
	stager batch import "$DESK/order.csv" --name A --blueprint census
	[[ "$output" != *"lists of people"* ]]
	staff
	stager batch import "$DESK/order.csv" --name B --blueprint census
	[[ "$output" == *"Column 'utilisateur': 1 found"* ]]
	HEADING=Zimmer order 'Jane Doe <jane@example.org>'
	stager batch import "$DESK/order.csv" --name C --blueprint census --map owner=Zimmer
	[[ "$output" == *"Column 'owner': 1 found"* ]]
}

@test "a name that is a formula does not become one in what we write" {
	staff
	order evil@example.org
	"$STAGER" --quiet batch import "$DESK/order.csv" --name N --blueprint census
	"$STAGER" --quiet batch start N
	"$STAGER" --quiet batch close N --open --dir "$DESK"
	grep -q "\"'=cmd|calc\"" "$DESK/result.csv"
	! grep -q '"=cmd' "$DESK/result.csv"
}

@test "who is to be forgotten is, also in orders; and the audit log never knew the name" {
	staff
	order jane@example.org jdupont
	"$STAGER" --quiet batch import "$DESK/order.csv" --name N --blueprint census
	stager people forget somebody
	[ "$status" -ne 0 ]
	stager people forget jane@example.org
	is_status 0
	[[ "$output" == *"Forgotten: 1 people of the lists, the owner of 1 devices"* ]]
	stager people show jdoe
	[ "$status" -ne 0 ]
	stager --json batch show N
	[ "$(jq -r '.rows[0].attributes // {} | keys | length' <<<"$output")" = 0 ]
	[ "$(jq -r '.rows[1].attributes.owner_account' <<<"$output")" = jdupont ]
	stager people forget --list file
	is_status 0
	stager people days 4000
	is_status 2
	stager people days 30
	is_status 0
	! "$STAGER" audit export | grep -qi jane
	! grep -aqi "jane doe" "$STAGER_STATE/stager.db"
}

@test "lists older than they may be are forgotten by themselves, and owners of orders long closed" {
	command -v faketime >/dev/null || skip "no faketime"
	staff
	order jdoe
	"$STAGER" --quiet batch import "$DESK/order.csv" --name N --blueprint census
	"$STAGER" --quiet batch start N
	"$STAGER" --quiet batch close N --open
	run faketime -f '+80d' "$STAGER" --json people
	[ "$(jq -r '.people | length' <<<"$output")" = 3 ]
	run faketime -f '+95d' "$STAGER" --json people
	[ "$(jq -r '.people | length' <<<"$output")" = 0 ]
	run faketime -f '+95d' "$STAGER" --json batch show N
	[ "$(jq -r '.rows[0].attributes // {} | keys | length' <<<"$output")" = 0 ]
}
