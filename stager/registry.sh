#!/bin/sh
# Prints the tables of what is found on disk: file name is symbol name, there is no list to edit.
#   drivers/NAME/driver.c   const struct stg_driver stg_driver_NAME
#   stager/steps/NAME.c     const struct stg_step stg_step_NAME
#   stager/cmd/NAME.c       const struct stg_cmd stg_cmd_NAME      (files beginning with _ are shared parts)
#   stager/ops/NAME.c       const struct stg_op stg_ops_NAME[]     (ends with a row without a name)
#   stager/push/kinds/NAME.c  const struct push_kind stg_push_kind_NAME
#   drivers/ROOM/codes/NAME.c  const struct stg_codes stg_codes_NAME
set -eu
names() { for f in $1; do [ -e "$f" ] || continue; n=$(basename "$f" .c); case $n in _*) ;; *) printf '%s\n' "$n" ;; esac; done | sort; }
drivers=$(for f in drivers/*/driver.c; do [ -e "$f" ] || continue; case $f in drivers/virtual/*) ;; *) basename "$(dirname "$f")" ;; esac; done | sort)
table() { # type prefix array list
	for n in $4; do printf 'extern const struct %s %s%s%s;\n' "$1" "$2" "$n" "$5"; done
	printf 'const struct %s *const %s[] = {\n' "$1" "$3"
	for n in $4; do printf '\t%s%s%s,\n' "${5:+}" "${6}$2" "$n"; done
	printf '\tNULL,\n};\n\n'
}
printf '/* made by stager/registry.sh */\n#include <stddef.h>\n#include <stager/codes.h>\n#include <stager/op.h>\n#include <stager/registry.h>\n\n'
table stg_driver stg_driver_ stg_drivers "$drivers" '' '&'
table stg_step stg_step_ stg_steps "$(names 'stager/steps/*.c')" '' '&'
table stg_cmd stg_cmd_ stg_cmds "$(names 'stager/cmd/*.c')" '' '&'
table stg_codes stg_codes_ stg_code_tables "$(names 'drivers/*/codes/*.c')" '' '&'
table push_kind stg_push_kind_ stg_push_kinds "$(names 'stager/push/kinds/*.c')" '' '&'
table stg_op stg_ops_ stg_op_tables "$(names 'stager/ops/*.c')" '[]' ''
