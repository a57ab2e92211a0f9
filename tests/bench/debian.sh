#!/bin/sh
# What Debian's tools can do of the main job: identify, pair, list. $1: UDID
set -e
idevicepair -u "$1" pair
ideviceinfo -u "$1"
idevicepair -u "$1" validate
ideviceprovision -u "$1" list
