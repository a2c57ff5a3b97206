# Small streams that become large.

# row 6
hostile 'a blob of one gibibyte in one megabyte' 'agbranch.limits.blobBytes' '
	raw_pack zeros=3,1073741824 >stream'
hostile 'a blob of fifty gigabytes, said only' 'agbranch.limits.blobBytes' 'raw_pack claim=3,53687091200,x >stream'
hostile 'a commit of one gibibyte' 'agbranch.limits.blobBytes' 'raw_pack claim=1,1073741824,x >stream'
hostile 'many large blobs' 'agbranch.limits.inflatedBytes' '
	GATE_OPTIONS=agbranch.limits.inflatedBytes=64m &&
	raw_pack zeros=3,20000000 zeros=3,20000001 zeros=3,20000002 zeros=3,20000003 >stream'
hostile 'a delta that makes a terabyte' 'agbranch.limits.blobBytes' '
	raw_pack object=3,x ofs=10,018080808080200101 >stream'
hostile 'many deltas that make much' 'agbranch.limits.inflatedBytes' '
	GATE_OPTIONS=agbranch.limits.inflatedBytes=64m &&
	raw_pack object=3,x $(for i in 1 2 3 4 5; do echo ref=$BASE,018080800801; done) >stream'
hostile 'five thousand deltas, each on the one before' 'agbranch.limits.deltaDepth' 'raw_pack chain=5000 >stream'
hostile 'a hundred deltas where fifty are allowed' 'agbranch.limits.deltaDepth' '
	GATE_OPTIONS=agbranch.limits.deltaDepth=50 && raw_pack chain=100 >stream'
hostile 'five thousand deltas, each on the one before by its name' 'deltaDepth: the pack has 5000,' '
	raw_pack refchain=5000 >stream'
hostile 'five thousand deltas, every second one by the name of its base' 'deltaDepth: the pack has 5000,' '
	raw_pack mixchain=5000 >stream'
hostile 'sixty thousand deltas by name' 'deltaDepth: the pack has 60000,' 'raw_pack refchain=60000 >stream'
hostile 'a hundred deltas by name where fifty are allowed' 'deltaDepth: the pack has 100, the limit is 50' '
	GATE_OPTIONS=agbranch.limits.deltaDepth=50 && raw_pack refchain=100 >stream'
# git refuses these itself since 2.43 and 2.45.
hostile 'a path of a hundred kilobytes' 'path-length\|fsck.largePathname' '
	name=$(perl -e "print q(x) x 100000") && NEW=$(one_entry 100644 "$name" "$(blob text)")'
hostile 'a component of three hundred bytes' 'path-length' '
	name=$(perl -e "print q(x) x 300") && NEW=$(one_entry 100644 "$name" "$(blob text)")'
hostile 'a path that is too long in all' 'path-length' '
	GATE_OPTIONS=agbranch.limits.pathLength=60 &&
	mkdir -p guest/aaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbbbbbbb &&
	echo x >guest/aaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbbbbbbb/ccccccccccc &&
	g add . && g commit -qm x && NEW=$(g rev-parse HEAD)'
hostile 'two hundred folders in each other' 'path-depth' '
	t=$(tree 100644 x "$(blob x)") &&
	for i in $(seq 200); do t=$(tree 40000 d $t) || return 1; done && NEW=$(commit deep $t)'
hostile 'more paths than may change' 'agbranch.limits.changedPaths' '
	GATE_OPTIONS=agbranch.limits.changedPaths=10 &&
	for i in $(seq 20); do echo $i >guest/f$i || return 1; done && g add . && g commit -qm many &&
	NEW=$(g rev-parse HEAD)'
hostile 'more commits than objects are allowed' 'agbranch.limits.objects' '
	GATE_OPTIONS=agbranch.limits.objects=3 &&
	NEW=$(one_entry 100644 name "$(blob text)") && g hash-object -w --stdin </dev/null >/dev/null'
hostile 'a tree of a million entries' 'agbranch.limits' '
	oid=$(blob x) &&
	t=$(perl -e "binmode STDOUT; my \$o = pack q(H*), shift; printf q(100644 f%07d), \$_ and print qq(\\0), \$o for 1 .. 1_000_000" "$oid" |
		g hash-object -w -t tree --literally --stdin) && NEW=$(commit million "$t")'
hostile 'ten thousand folders in each other' 'path-length\|maximum allowed tree depth' '
	t=$(perl -MDigest::SHA=sha1_hex -MCompress::Zlib -e "
		my (\$dir, \$oid) = @ARGV;
		my \$mode = q(100644);
		for (0 .. 10_000) {
			my \$tree = qq(\$mode d\\0) . pack (q(H*), \$oid);
			my \$object = q(tree ) . length (\$tree) . qq(\\0\$tree);
			\$oid = sha1_hex (\$object); \$mode = 40000;
			my \$fan = qq(\$dir/) . substr (\$oid, 0, 2);
			mkdir \$fan;
			open my \$out, q(>), qq(\$fan/) . substr (\$oid, 2) or die; binmode \$out; print \$out compress (\$object);
		}
		print \$oid" guest/.git/objects "$(blob x)") && NEW=$(commit deep "$t")'
hostile 'a bundle of a hundred thousand refs' 'longer than 64 KiB' '
	NEW=$(one_entry 100644 name "$(blob text)") && {
		echo "# v2 git bundle" && perl -e "printf qq(%s refs/heads/b%06d\\n), \$ARGV[0], \$_ for 1 .. 100_000" "$NEW" && echo && pack_loose; } >stream'
