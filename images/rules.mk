# What is installed, and where. DESTDIR and PREFIX are the packager's.
LIBEXEC  := $(DESTDIR)$(PREFIX)/libexec/stager
UNITS    := $(DESTDIR)$(PREFIX)/lib/systemd/system
MAN      := $(DESTDIR)$(PREFIX)/share/man/man1
INSTALL  ?= install

.PHONY: docs install pot
docs: build            ## man pages and bash completion, from the commands' own words
	$(Q)sh images/man.sh $(B)/stager $(B)/man

install: build docs    ## put program, service, rules, man pages, completion under DESTDIR PREFIX
	$(Q)$(INSTALL) -D -m 755 $(B)/stager $(DESTDIR)$(PREFIX)/bin/stager
	$(Q)$(INSTALL) -D -m 755 $(B)/stager-bench $(LIBEXEC)/stager-bench
	$(Q)mkdir -p $(UNITS) && sed 's|@PREFIX@|$(PREFIX)|' images/stager.service >$(UNITS)/stager.service && chmod 644 $(UNITS)/stager.service
	$(Q)sed 's|@PREFIX@|$(PREFIX)|' images/stager-scep.service >$(UNITS)/stager-scep.service && chmod 644 $(UNITS)/stager-scep.service
	$(Q)$(INSTALL) -D -m 755 images/usb-announce.sh $(LIBEXEC)/usb-announce
	$(Q)$(INSTALL) -D -m 644 images/stager-usb.socket $(UNITS)/stager-usb.socket
	$(Q)sed 's|@PREFIX@|$(PREFIX)|' images/stager-usb@.service >$(UNITS)/stager-usb@.service && chmod 644 $(UNITS)/stager-usb@.service
	$(Q)$(INSTALL) -D -m 644 images/usbmuxd-stager.conf $(UNITS)/usbmuxd.service.d/stager.conf
	$(Q)$(INSTALL) -D -m 644 images/60-stager.rules $(DESTDIR)$(PREFIX)/lib/udev/rules.d/60-stager.rules
	$(Q)$(INSTALL) -D -m 644 images/sysusers-stager.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/stager.conf
	$(Q)mkdir -p $(MAN) && for page in $(B)/man/*.1; do gzip -9nc $$page >$(MAN)/$${page##*/}.gz; chmod 644 $(MAN)/$${page##*/}.gz; done
	$(Q)$(INSTALL) -D -m 644 $(B)/man/stager.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/stager
	$(Q)for mo in $(MO); do $(INSTALL) -D -m 644 $$mo $(DESTDIR)$(PREFIX)/share/locale/$${mo#$(B)/locale/}; done
	$(Q)$(if $(DESTDIR),:,sh images/after-install.sh)

POT_SRC := $(shell find stager drivers profiles -name '*.c' -not -path 'drivers/virtual/*' | sort)
$(B)/stager.pot: $(POT_SRC)
	@mkdir -p $(@D)
	$(Q)xgettext --from-code=UTF-8 --keyword=_ --keyword=N_ --no-location --package-name=stager -o $@ $(POT_SRC)
pot: $(B)/stager.pot   ## bring po/fr.po up to date after words have changed; what is new stands there untranslated
	$(Q)msgmerge -q --no-location --no-wrap --no-fuzzy-matching -U --backup=none po/fr.po $<
	$(Q)sed -i -E '/^"(POT-Creation-Date|Report-Msgid-Bugs-To):/d' po/fr.po    # a date alone is no change
