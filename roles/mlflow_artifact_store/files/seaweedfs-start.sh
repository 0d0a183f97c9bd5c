#!/bin/sh
# Starts SeaweedFS: `all` in one process, or one of its parts: `master`, `volume`, `filer` (with S3). `ready` says whether
# the bucket is there. Works with any image that has weed, wget and a shell.
#
# Of SeaweedFS only S3 asks who somebody is. Master, filer and volume server let everybody read, change and remove
# everything: what can listens where its container alone is, and a NetworkPolicy keeps others from the rest. The gRPC
# port of S3 gives identities to whoever asks, and cannot be kept from the address of S3: it gets certificates that do
# not exist, and so talks to nobody.
set -eu
umask 077
PATH=$PATH:/usr/local/bin:/usr/bin:/bin
part=$1 at=127.0.0.1:9333
[ "$part" != filer ] || at=$SEAWEEDFS_MASTER:8080
case $part in
ready) exec wget -q -O /dev/null -T 5 "http://127.0.0.1:8888/buckets/$SEAWEEDFS_BUCKET/?limit=1" ;;
master)
	exec weed -logtostderr=true master -mdir=/objects -ip="$SEAWEEDFS_SELF" -ip.bind=0.0.0.0 -port=8080 -telemetry=false \
		-volumeSizeLimitMB=1024 -defaultReplication="00$((SEAWEEDFS_COPIES - 1))"
	;;
volume)
	exec weed -logtostderr=true volume -dir=/objects -max=0 -ip="$SEAWEEDFS_SELF" -ip.bind=0.0.0.0 -port=8080 -master="$SEAWEEDFS_MASTER:8080"
	;;
esac
# Others' objects would stay unseen, and count as lost.
others=$(find /objects -mindepth 1 -maxdepth 1 ! -name lost+found)
if [ -n "$others" ] && [ ! -e "/objects/.$part" ]; then
	echo "The volume holds what SeaweedFS as it is now did not write. Set mlflow_artifact_store_type (and" \
		"mlflow_artifact_store_volume_servers) to what it was, or deploy under another mlflow_name and copy the objects." >&2
	exit 1
fi
touch "/objects/.$part"

secret() {
	value=$(cat "/run/secrets/$1")
	case $value in
	"" | *[!A-Za-z0-9+/=_.-]*)
		echo "The secret $1 is empty, or holds something else than letters, digits and +/=_.-: generate another." >&2
		return 1
		;;
	esac
	printf '%s' "$value"
}
identity() {
	access=$(secret "$2access-key") || return 1
	key=$(secret "$2secret-key") || return 1
	printf '{"name":"%s","credentials":[{"accessKey":"%s","secretKey":"%s"}],"actions":[%s]}' "$1" "$access" "$key" "$3"
}
server=$(identity server "" "\"Read:$SEAWEEDFS_BUCKET\",\"Write:$SEAWEEDFS_BUCKET\",\"List:$SEAWEEDFS_BUCKET\",\"Tagging:$SEAWEEDFS_BUCKET\"")
reader=$(identity reader reader- "\"Read:$SEAWEEDFS_BUCKET\",\"List:$SEAWEEDFS_BUCKET\"")
admin=$(identity admin admin- '"Admin"')
printf '{"identities":[%s,%s,%s]}' "$server" "$reader" "$admin" >/tmp/s3.json

# The bucket, as soon as there is something to ask. What is there already is left as it is.
(
	until sh "$0" ready 2>/dev/null; do
		echo "s3.bucket.create -name $SEAWEEDFS_BUCKET" |
			timeout 60 weed shell -master="$at" -filer=127.0.0.1:8888 >/dev/null 2>&1 || true
		sleep 1
	done
) &
export WEED_GRPC_CA=/nowhere/ca WEED_GRPC_S3_CERT=/nowhere/certificate WEED_GRPC_S3_KEY=/nowhere/key
# It also calls others from the address that it listens at: a filer with a master elsewhere listens at all, and policies
# let nobody in but to S3.
bind=127.0.0.1
[ "$part" != filer ] || bind=0.0.0.0
set -- -ip=127.0.0.1 -ip.bind="$bind" -s3 -s3.port=7070 -s3.ip.bind=0.0.0.0 -s3.config=/tmp/s3.json -s3.iam=false \
	-s3.port.iceberg=0 -s3.port.lance=0 -s3.allowDeleteBucketNotEmpty=false
# Others than it reach S3 alone.
if [ -e /run/tls/tls.crt ]; then
	set -- "$@" -s3.cert.file=/run/tls/tls.crt -s3.key.file=/run/tls/tls.key
fi
if [ "$part" = filer ]; then
	exec weed -logtostderr=true filer -master="$at" -defaultStoreDir=/objects "$@"
fi
exec weed -logtostderr=true server -dir=/objects -master.telemetry=false -master.volumeSizeLimitMB=1024 -volume.max=0 \
	-volume.preStopSeconds=1 -filer "$@"
