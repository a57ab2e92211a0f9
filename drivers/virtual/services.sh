#!/bin/sh
# Prints the table of services found on disk: drivers/virtual/services/NAME.c holds `const struct virt_service
# virt_service_NAME`; a file without one is a shared part.
set -eu
names=$(grep -lE '^const struct virt_service virt_service_' drivers/virtual/services/*.c 2>/dev/null | sort || true)
printf '/* made by drivers/virtual/services.sh */\n#include <stddef.h>\nstruct virt_service;\n\n'
for f in $names; do n=$(basename "$f" .c); printf 'extern const struct virt_service virt_service_%s;\n' "$n"; done
printf 'extern const struct virt_service *const virt_services[];\nconst struct virt_service *const virt_services[] = {\n'
for f in $names; do n=$(basename "$f" .c); printf '\t&virt_service_%s,\n' "$n"; done
printf '\tNULL,\n};\n'
