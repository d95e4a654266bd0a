#!/bin/sh
# Prints a Deployment for each line of services.txt: its name, then what it answers.
while read -r name message; do
    sed -e "s/NAME/$name/g" -e "s/TEXT/$message/" template.yaml
    echo "rendered $name" >&2
done <services.txt
