#!/usr/bin/env python3
"""make-tar.py CASE: a hostile tar archive on stdout; without CASE: the list of cases, each with the
rule that must refuse it.  Every archive claims to be the folder `top`."""
import io
import struct
import sys
import tarfile

CASES = {}


def case(rule):
    def register(function):
        CASES[function.__name__.replace('_', '-')] = (function, rule)
        return function
    return register


class Tar:
    def __init__(self, form=tarfile.GNU_FORMAT):
        self.out = io.BytesIO()
        self.form = form

    def add(self, name, kind=tarfile.REGTYPE, data=b'', link='', mode=0o644, **more):
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.mode = kind, link, mode
        info.size = len(data) if kind == tarfile.REGTYPE else 0
        for key, value in more.items():
            setattr(info, key, value)
        self.out.write(info.tobuf(self.form, 'utf-8', 'surrogateescape'))
        self.out.write(data + b'\0' * (-len(data) % 512))
        return self

    def folder(self, name):
        return self.add(name, tarfile.DIRTYPE, mode=0o755)

    def link(self, name, target):
        return self.add(name, tarfile.SYMTYPE, link=target)

    def end(self):
        return self.out.getvalue() + b'\0' * 1024


def top(form=tarfile.GNU_FORMAT):
    return Tar(form).folder('top')


# row 17
@case("an absolute path")
def absolute():
    return top().add('/tmp/agb-escaped', data=b'x').end()


@case("an absolute path")
def absolute_twice():
    return top().add('//tmp/agb-escaped', data=b'x').end()


@case("'..' in the path")
def dotdot():
    return top().add('top/../../escaped', data=b'x').end()


@case("'..' in the path")
def dotdot_first():
    return top().add('../escaped', data=b'x').end()


@case("'..' in the path")
def dotdot_behind_dot():
    return top().add('./../escaped', data=b'x').end()


@case("'..' in the path")
def dotdot_last():
    return top().folder('top/a/..').end()


@case("'.' or nothing as a name")
def empty_parts():
    return top().add('top//./a', data=b'x').end()


@case("not what was asked for")
def other_top():
    return top().add('other', data=b'x').end()


@case("not what was asked for")
def top_as_prefix():
    return top().add('topper', data=b'x').end()


@case("a link to an absolute path")
def link_absolute():
    return top().link('top/l', '/etc/passwd').end()


@case("a link that may leave the folder")
def link_above():
    return top().link('top/l', '../escaped').end()


@case("a link that may leave the folder")
def link_above_deep():
    return top().folder('top/a').link('top/a/l', '../../x').end()


@case("a link that may leave the folder")
def link_dotdot_behind_name():
    return top().link('top/p', '.').link('top/q', 'p/p/../..').end()


@case("a path through a link")
def link_then_through():
    return top().folder('top/a').link('top/l', 'a').add('top/l/x', data=b'x').end()


@case("a path through a link")
def folder_replaced_by_link():
    return top().link('top/l', '.').folder('top/l/x').end()


@case("the same name twice")
def link_then_file():
    return top().link('top/l', 'a').add('top/l', data=b'x').end()


@case("the same name twice")
def file_twice():
    return top().add('top/f', data=b'x').add('top/f', data=b'y').end()


@case("the same name twice")
def folder_over_file():
    return top().add('top/f', data=b'x').folder('top/f').end()


@case("a path through a link or file")
def through_file():
    return top().add('top/f', data=b'x').add('top/f/g', data=b'y').end()


@case("it is a link: name what it points at")
def top_is_link():
    return Tar().link('top', '/etc').end()


@case("a hard link that leaves the folder")
def hard_link_absolute():
    return top().add('top/h', tarfile.LNKTYPE, link='/etc/passwd').end()


@case("a hard link that leaves the folder")
def hard_link_above():
    return top().add('top/h', tarfile.LNKTYPE, link='top/../../secret').end()


@case("a hard link to what is not a file")
def hard_link_to_link():
    return top().link('top/l', 'x').add('top/h', tarfile.LNKTYPE, link='top/l').end()


@case("a hard link to what is not a file")
def hard_link_missing():
    return top().add('top/h', tarfile.LNKTYPE, link='top/missing').end()


@case("a device, fifo or socket")
def character_device():
    return top().add('top/d', tarfile.CHRTYPE, devmajor=1, devminor=5).end()


@case("a device, fifo or socket")
def block_device():
    return top().add('top/d', tarfile.BLKTYPE, devmajor=8, devminor=0).end()


@case("a device, fifo or socket")
def fifo():
    return top().add('top/p', tarfile.FIFOTYPE).end()


@case("a '.git'")
def git_folder():
    return top().folder('top/.git').add('top/.git/config', data=b'[core]\n').end()


@case("a '.git'")
def git_other_case():
    return top().folder('top/sub').folder('top/sub/.GiT').end()


@case("a '.git'")
def git_short_name():
    return top().add('top/GIT~1', data=b'gitdir: /x').end()


@case("a '.git'")
def git_zero_width():
    return top().folder('top/.g\u200cit').end()


@case("a '.git'")
def git_trailing_dot():
    return top().folder('top/.git .').end()


@case("control characters in a name")
def escape_in_name():
    return top().add('top/\x1b]52;c;aGk=\x07', data=b'x').end()


@case("control characters in a name")
def newline_in_name():
    return top().add('top/a\nb', data=b'x').end()


@case("control characters in a link")
def escape_in_link():
    return top().link('top/l', 'a\x1b[2J').end()


@case("a path of more than 4096 bytes")
def long_path():
    return top().add('top/' + 'a/' * 3000 + 'b', data=b'x').end()


@case("a name of more than 255 bytes")
def long_name():
    return top().add('top/' + 'a' * 300, data=b'x').end()


@case("more than 64 levels")
def deep():
    return top().add('top/' + 'a/' * 80 + 'b', data=b'x').end()


@case("more bytes than")
def size_lie():
    return top().add('top/f', size=1 << 50).end()


@case("more bytes than")
def many_files_too_large():
    tar = top()
    for i in range(3):
        tar.add('top/%d' % i, data=b'x' * 500000)
    return tar.end()


@case("more bytes than")
def sparse_bomb():
    # An old GNU sparse file: 10 bytes of data, 1 TiB of size.
    info = tarfile.TarInfo('top/s')
    info.size, info.mode, info.type = 512, 0o644, tarfile.GNUTYPE_SPARSE
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT)[-512:])
    block[386:398] = b'%011o\0' % 0
    block[398:410] = b'%011o\0' % 512
    block[482] = 0
    block[483:495] = b'\x80' + struct.pack('>Q', 1 << 40).rjust(11, b'\0')
    block[148:156] = b' ' * 8
    block[148:156] = b'%06o\0 ' % sum(block)
    return top().end()[:512] + bytes(block) + b'y' * 512 + b'\0' * 1024


@case("more entries than")
def many_entries():
    tar = top()
    for i in range(200):
        tar.folder('top/%d' % i)
    return tar.end()


@case("the archive of the guest is broken")
def truncated():
    return top().add('top/f', data=b'x' * 4096).end()[:3000]


@case("the archive of the guest is broken")
def broken_checksum():
    good = bytearray(top().add('top/f', data=b'x').end())
    good[512 + 10] ^= 0xff
    return bytes(good)


@case("the archive of the guest is broken")
def not_tar():
    return b'PK\x03\x04' + b'not a tar at all' * 200


@case("broken")
def compressed():
    import gzip
    return gzip.compress(top().add('top/f', data=b'x').end())


@case("empty archive")
def empty():
    return b'\0' * 10240


@case("'..' in the path")
def pax_path():
    return top(tarfile.PAX_FORMAT).add('top/ok', data=b'x', pax_headers={'path': 'top/../../escaped'}).end()


@case("a link to an absolute path")
def pax_linkpath():
    return top(tarfile.PAX_FORMAT).add(
        'top/l', tarfile.SYMTYPE, link='a', pax_headers={'linkpath': '/etc/shadow'}).end()


@case("more bytes than")
def pax_size():
    return top(tarfile.PAX_FORMAT).add('top/f', pax_headers={'size': str(1 << 50)}).end()


def good():
    """What must come through: modes without set-uid, links that stay inside, names in any language."""
    return (top().add('top/set-uid', data=b'x', mode=0o6755)
            .add('top/read-only', data=b'y', mode=0o444)
            .add('top/none', data=b'z', mode=0)
            .folder('top/sub').folder('top/sub').link('top/sub/up', '../set-uid').link('top/here', 'sub/up')
            .add('top/sub/hard', tarfile.LNKTYPE, link='top/set-uid')
            .add('top/\u00fcn\u00ef \u4e2d "q" \'s\' $x', data=b'u')
            .add('./top/dot', data=b'd', uid=0, gid=0, uname='root', mtime=86400)
            .add('top/' + 'long' * 50 + '/' + 'name' * 50, data=b'l').end())


def main():
    if sys.argv[1:] == ['good']:
        sys.stdout.buffer.write(good())
    elif len(sys.argv) == 1:
        for name, (_, rule) in CASES.items():
            print('%s\t%s' % (name, rule))
    else:
        sys.stdout.buffer.write(CASES[sys.argv[1]][0]())


main()
