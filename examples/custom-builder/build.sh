#!/bin/sh
# Makes the page from its template and the words, then the image that devloop asked for.
# devloop gives IMAGE (the whole ref), IMAGE_REPO, IMAGE_TAG, BUILD_CONTEXT, PLATFORMS and PUSH_IMAGE.
set -eu
cd "$(dirname "$0")"

mkdir -p generated
words=$(sort words/*.txt | sed 's|.*|<li>&</li>|' | tr -d '\n')
sed "s|@WORDS@|$words|" page.html > generated/index.html
echo "made a page of $(wc -c < generated/index.html) bytes"

docker build --tag "$IMAGE" .
