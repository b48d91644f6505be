#!/bin/sh
# Stands in for an example in a test, which says in STAND_IN what it is.
eval "exec $STAND_IN"
