# Forged bundle headers.

# good_pack: sets NEW and writes `whole`.
good_pack () {
	NEW=$(one_entry 100644 name "$(blob text)") && pack_loose >whole
}

# row 3 6
hostile 'a header that does not end' 'longer than 64 KiB' '
	good_pack && { printf "# v2 git bundle\n" && perl -e "print qq(-$BASE x\n) x 5000"; } >stream'
hostile 'a line that does not end' 'longer than 64 KiB' '
	good_pack && { printf "# v2 git bundle\n-$BASE " && perl -e "print q(x) x 100000"; } >stream'
# row 3
hostile 'a header and nothing behind it' 'refused:' 'good_pack && printf "# v2 git bundle\n" >stream'
hostile 'a version of tomorrow' 'is not a pack' '
	good_pack && { printf "# v9 git bundle\n$NEW refs/heads/x\n\n" && cat whole; } >stream'
hostile 'a bundle that filters' 'a capability' '
	good_pack && { printf "# v3 git bundle\n@filter=blob:none\n$NEW refs/heads/x\n\n" && cat whole; } >stream'
hostile 'another object format' 'object format' '
	good_pack && { printf "# v3 git bundle\n@object-format=sha256\n$NEW refs/heads/x\n\n" && cat whole; } >stream'
hostile 'a capability in version 2' 'version 2 has not' '
	good_pack && { printf "# v2 git bundle\n@object-format=sha1\n$NEW refs/heads/x\n\n" && cat whole; } >stream'
# row 3 4
hostile 'no ref' 'no ref at the commit' '
	good_pack && { printf "# v2 git bundle\n-$BASE \n\n" && cat whole; } >stream'
hostile 'a ref elsewhere' 'no ref at the commit' '
	good_pack && { printf "# v2 git bundle\n$BASE refs/heads/x\n\n" && cat whole; } >stream'
hostile 'a ref without a name' 'without a name' '
	good_pack && { printf "# v2 git bundle\n$NEW\n\n" && cat whole; } >stream'
# row 3
hostile 'a line without an object name' 'does not begin with an object name' '
	good_pack && { printf "# v2 git bundle\nHEAD refs/heads/x\n\n" && cat whole; } >stream'
hostile 'a prerequisite with something behind it' 'not one object name' '
	good_pack && { printf "# v2 git bundle\n-${BASE}x\n$NEW refs/heads/x\n\n" && cat whole; } >stream'
hostile 'upper case' 'does not begin with an object name' '
	good_pack && { printf "# v2 git bundle\n$(echo $NEW | tr a-f A-F)A refs/heads/x\n\n" && cat whole; } >stream'
hostile 'a NUL' 'a NUL' '
	good_pack && { printf "# v2 git bundle\n$NEW refs/heads/\000x\n\n" && cat whole; } >stream'
hostile 'a good header before a bad pack' 'is not a pack' '
	good_pack && { printf "# v2 git bundle\n$NEW refs/heads/x\n\n" && echo junk, and more of it; } >stream'
hostile 'a bundle in a bundle' 'is not a pack' '
	good_pack && { printf "# v2 git bundle\n$NEW refs/heads/x\n\n# v2 git bundle\n$NEW refs/heads/x\n\n" &&
	cat whole; } >stream'
# row 3 7
hostile 'prerequisites that lie do not help a pack that is not complete' 'refused:' '
	NEW=$(one_entry 100644 name 1234567890123456789012345678901234567890) && pack_loose >whole &&
	{ printf "# v2 git bundle\n-1234567890123456789012345678901234567890 \n$NEW refs/heads/x\n\n" &&
	cat whole; } >stream'
