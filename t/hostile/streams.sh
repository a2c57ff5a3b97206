# Streams that stop, lie, repeat or never end.

# row 6
hostile 'nothing at all' 'is empty' ': >stream'
hostile 'three bytes' 'ended in the middle' 'printf PAC >stream'
hostile 'a page instead of a pack' 'is not a pack' 'echo "<html>not found</html>" >stream'
hostile 'lines of the git protocol' 'is not a pack' 'printf "0008NAK\n0000" >stream'
hostile 'a pack version of tomorrow' 'pack version' 'raw_pack version=4 object=3,x >stream'
hostile 'more objects promised than there are' 'refused: pack' 'raw_pack count=2 object=3,x >stream'
hostile 'fewer objects promised than there are' 'checksum is wrong' 'raw_pack count=1 object=3,x object=3,y >stream'
hostile 'ten million objects' 'agbranch.limits.objects' 'raw_pack count=10000000 object=3,x >stream'
hostile 'four billion objects' 'agbranch.limits.objects' 'raw_pack count=4294967295 object=3,x >stream'
hostile 'cut in the middle' 'ended in the middle' '
	NEW=$(one_entry 100644 name "$(blob text)") && pack_loose >whole && head -c 90 whole >stream'
hostile 'cut before the last byte' 'ended in the middle' '
	NEW=$(one_entry 100644 name "$(blob text)") && pack_loose >whole && head -c -1 whole >stream'
hostile 'a checksum that is wrong' 'checksum is wrong' 'raw_pack object=3,x trailer=wrong >stream'
hostile 'one more byte' 'goes on after the end' '
	NEW=$(one_entry 100644 name "$(blob text)") && { pack_loose && printf x; } >stream'
hostile 'the same pack twice' 'goes on after the end' '
	NEW=$(one_entry 100644 name "$(blob text)") && pack_loose >whole && cat whole whole >stream'
hostile 'a stream that does not end' 'agbranch.limits.seconds' '
	GATE_OPTIONS=agbranch.limits.seconds=1 &&
	NEW=$(one_entry 100644 name "$(blob text)") && pack_loose >whole &&
	mkfifo stream && exec 8<>stream && head -c 60 whole >&8'
hostile 'a stream that does not end after its end' 'agbranch.limits.seconds' '
	exec 8>&- && rm -f stream &&
	GATE_OPTIONS=agbranch.limits.seconds=1 &&
	NEW=$(one_entry 100644 name "$(blob text)") && pack_loose >whole &&
	mkfifo stream && exec 8<>stream && cat whole >&8'
hostile 'a stream without an end that is larger than it may be' 'agbranch.limits.packBytes' '
	exec 8>&- && rm -f stream && GATE_OPTIONS=agbranch.limits.packBytes=1m &&
	{ printf "PACK\000\000\000\002\000\000\000\001" && printf "\277\377\377\175x\001" &&
	  perl -e "print pack(q(Cvv), 0, 65535, 0), qq(a) x 65535 for 1 .. 40"; } >stream'
hostile 'compressed bytes that are none' 'cannot be inflated' 'raw_pack count=1 bytes=33ffffffff >stream'
hostile 'type 0' 'unknown type' 'raw_pack type=0 >stream'
hostile 'type 5' 'unknown type' 'raw_pack type=5 >stream'
hostile 'a size of 80 bits' 'too large' 'raw_pack count=1 bytes=bfffffffffffffffffffff7f >stream'
hostile 'an object that is larger than it says' 'larger than it says' 'raw_pack claim=3,2,longer >stream'
hostile 'an object that is smaller than it says' 'smaller than it says' 'raw_pack claim=3,20,short >stream'
hostile 'a delta against the middle of an object' 'is no object' 'raw_pack object=3,x ofs=2,010101 >stream'
hostile 'a delta against what comes before the pack' 'is no object' 'raw_pack object=3,x ofs=4000,010101 >stream'
hostile 'a delta against itself' 'is no object' 'raw_pack object=3,x ofs=0,010101 >stream'
hostile 'a delta without sizes' 'without a size' 'raw_pack object=3,x ref=$BASE, >stream'
hostile 'a delta with a size of 20 bytes' 'without a size' '
	raw_pack object=3,x ref=$BASE,ffffffffffffffffffffffffffffffffffffffffffff >stream'
hostile 'a delta against nothing that anybody has' 'unresolved' '
	raw_pack ref=1234567890123456789012345678901234567890,0401026162 >stream'
hostile 'a delta that copies from behind its base' 'refused: pack' '
	raw_pack object=3,abcd ofs=13,0410b00a06 >stream'
hostile 'a delta whose result is not what it says' 'refused: pack' '
	raw_pack object=3,abcd ofs=13,0463026162 >stream'
# row 7
hostile 'a tip that is not in the pack' 'refused: connectivity' '
	one_entry 100644 name "$(blob text)" >/dev/null && NEW=1234567890123456789012345678901234567890'
hostile 'a tip that is a tree' 'refused: tip' '
	NEW=$(tree 100644 name "$(blob text)")'
hostile 'a tip that is a blob' 'refused: tip' 'NEW=$(blob text)'
hostile 'a tip that is a tag' 'refused: tip' '
	c=$(one_entry 100644 name "$(blob text)") && g tag -a -m tag evil $c && NEW=$(g rev-parse evil)'
# row 8
hostile 'a tip that is no name' 'refused: tip' 'one_entry 100644 name "$(blob text)" >/dev/null && NEW=main'
hostile 'a tip that is an option' 'refused: tip' 'one_entry 100644 name "$(blob text)" >/dev/null && NEW=--all'
# row 7
hostile 'a parent that nobody has' 'refused:' '
	t=$(tree 100644 name "$(blob text)") &&
	NEW=$(raw_commit "tree $t\nparent 1234567890123456789012345678901234567890\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\nx\n")'
hostile 'a tree that nobody has' 'refused:' '
	NEW=$(raw_commit "tree 1234567890123456789012345678901234567890\nparent $BASE\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\nx\n")'
hostile 'a blob that nobody has' 'refused:' '
	NEW=$(one_entry 100644 name 1234567890123456789012345678901234567890)'
hostile 'a thin pack that hides its missing parent' 'refused:' '
	one=$(one_entry 100644 name "$(blob text)") &&
	two=$(commit two "$(tree 100644 other "$(blob other)")" $one) &&
	rm guest/.git/objects/$(echo $one | sed "s,^..,&/,") && NEW=$two'
