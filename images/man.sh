#!/bin/sh
# man.sh STAGER FOLDER - writes stager.1, a page for each command, and the bash completion, from what the program says of itself.
set -eu
stager=$1 folder=$2
mkdir -p "$folder"
"$stager" help --man >"$folder/stager.1"
commands=$("$stager" help --completion)
for name in $(echo "$commands" | cut -d' ' -f1); do
	"$stager" help --man "$name" >"$folder/stager-$name.1"
done
{
	echo '# bash completion of stager; made by images/man.sh from the commands'"'"' own usage'
	echo '_stager() {'
	echo '	local at=1 words cur=${COMP_WORDS[COMP_CWORD]}'
	echo '	while [[ ${COMP_WORDS[at]} == -* && $at -lt $COMP_CWORD ]]; do'
	echo '		case ${COMP_WORDS[at]} in --state | --as | --lang) at=$((at + 2)) ;; *) at=$((at + 1)) ;; esac'
	echo '	done'
	echo '	if [[ $at -ge $COMP_CWORD ]]; then'
	printf '\t\twords="%s --state --as --lang --json --quiet --help --version"\n' "$(echo "$commands" | cut -d' ' -f1 | tr '\n' ' ')"
	echo '	else'
	echo '		case ${COMP_WORDS[at]} in'
	echo "$commands" | while read -r name rest; do
		printf '\t\t%s) words="%s --json --help" ;;\n' "$name" "$(echo "$rest" | tr ' ' '\n' | sort -u | tr '\n' ' ')"
	done
	echo '		*) words= ;;'
	echo '		esac'
	echo '	fi'
	echo '	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")'
	echo '	[[ ${#COMPREPLY[@]} -gt 0 || $cur == -* ]] || mapfile -t COMPREPLY < <(compgen -f -- "$cur")'
	echo '}'
	echo 'complete -o filenames -F _stager stager'
} >"$folder/stager.bash"
