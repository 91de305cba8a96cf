import Foundation
import ServiceSupport
import Testing

/// Isolation note 9: with the image `host`, what the host has just works.
@Suite("The host image", .serialized)
struct HostImageTests {
    private static let scripts: [(name: String, script: String, output: String)] = [
        ("python", "python3 -c 'import ssl, sqlite3, json; print(len(ssl.create_default_context().get_ca_certs()) > 50)'", "True\n"),
        ("bash", "a=(1 2 3); echo ${#a[@]} ${BASH_VERSINFO[0]}", "3 5\n"),
        ("gcc", "cd /tmp && printf '#include <stdio.h>\\n#include <math.h>\\nint main(){printf(\"%%.0f\\\\n\", sqrt(49));}' > a.c && gcc -O2 -o a a.c -lm && ./a", "7\n"),
        ("cc by alternatives", "echo 'int main(){return 3;}' > /tmp/b.c && cc -o /tmp/b /tmp/b.c; /tmp/b; echo $?", "3\n"),
        ("git", "cd $(mktemp -d) && git init -q . && git -c user.name=a -c user.email=b commit -q --allow-empty -m first && git log --format=%s", "first\n"),
        ("perl", "perl -MPOSIX -e 'print floor(7.9), \"\\n\"'", "7\n"),
        ("awk", "echo a b | awk '{print $2}'", "b\n"),
        ("su", "su nobody -s /bin/sh -c 'id -un; id -u'", "nobody\n65534\n"),
        ("tar keeps owners", "cd $(mktemp -d) && touch f && chown 33:33 f && tar c f | (mkdir x; cd x; tar x; stat -c '%u %g' f)", "33 33\n"),
        ("certificates", "grep -c BEGIN /etc/ssl/certs/ca-certificates.crt | awk '{print ($1 > 50)}'", "1\n"),
        ("names", "getent passwd root; getent hosts localhost | wc -l; getent services http/tcp | awk '{print $2}'", "root:x:0:0:root:/root:/bin/bash\n1\n80/tcp\n"),
        ("packages known", "dpkg -l bash libc6 | grep -c ^ii; dpkg --audit | wc -l", "2\n0\n"),
        ("locale and time", "date -d @0 -u +%F; locale >/dev/null && echo ok", "1970-01-01\nok\n"),
        ("shared libraries", "ldconfig -p | grep -c libc.so.6; ldd /bin/bash | grep -c 'not found'", "1\n0\n"),
    ]

    @Test("languages, tools and accounts work as on the host")
    func tools() async throws {
        try await withService { service in
            let id = try await service.create()
            for (name, script, output) in Self.scripts {
                let outcome = try await service.run(["bash", "-c", script], in: id)
                #expect(outcome.stdout == output, "\(name): \(outcome.stdout)\(outcome.stderr)")
            }
            // What a host leaves out of its packages (documentation) is missing inside too, and nothing else.
            let verify = "dpkg --verify bash coreutils dpkg libc6 perl-base python3-minimal adduser passwd"
            #expect(try await service.run(["bash", "-c", verify], in: id).stdout == host(verify).output)
        }
    }

    private static let package = """
        set -e
        d=$(mktemp -d); mkdir -p $d/p/DEBIAN $d/p/usr/bin $d/p/etc
        printf 'Package: cordon-sample\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: nobody <n@example.com>\\nDepends: bash\\nDescription: a sample\\n' > $d/p/DEBIAN/control
        printf '#!/bin/sh\\nset -e\\nadduser --system --quiet --no-create-home sample || useradd -r sample\\nchown sample /usr/bin/cordon-sample\\n' > $d/p/DEBIAN/postinst
        chmod 755 $d/p/DEBIAN/postinst
        printf '#!/bin/sh\\necho sample\\n' > $d/p/usr/bin/cordon-sample; chmod 755 $d/p/usr/bin/cordon-sample
        echo conf > $d/p/etc/cordon-sample.conf; echo /etc/cordon-sample.conf > $d/p/DEBIAN/conffiles
        dpkg-deb --root-owner-group -b $d/p /tmp/sample.deb >/dev/null
        apt-get install -y /tmp/sample.deb >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
        cordon-sample; stat -c %U /usr/bin/cordon-sample; dpkg --verify cordon-sample
        apt-get remove -y cordon-sample >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
        test ! -e /usr/bin/cordon-sample && echo removed
        """

    @Test("apt installs and removes a package, and the host never hears of it")
    func packages() async throws {
        try await withService { service in
            let id = try await service.create()
            let outcome = try await service.run(["bash", "-c", Self.package], in: id)
            #expect(outcome.stdout == "sample\nsample\nremoved\n", "\(outcome.stdout)\(outcome.stderr)")
            #expect(try await host("dpkg -l cordon-sample 2>/dev/null | grep -c ^ii; id sample 2>&1 | grep -c 'no such'").output == "0\n1\n")
        }
    }

    @Test("no link that works on the host dangles")
    func links() async throws {
        let list = "find /etc/alternatives /etc/ssl/certs /usr/bin /usr/lib/jvm -maxdepth 1 -type l -exec test -e {} \\; -print 2>/dev/null | sort"
        try await withService { service in
            let id = try await service.create()
            let outside = Set(try await host(list).output.split(separator: "\n"))
            let inside = Set(try await service.run(["bash", "-c", list], in: id).stdout.split(separator: "\n"))
            #expect(outside.count > 200, "control: there are such links")
            // What leads out of /usr into directories that the image has none of is the host's own affair.
            var missing: [String] = []
            for link in outside.subtracting(inside) {
                let target = URL(fileURLWithPath: String(link)).resolvingSymlinksInPath().path
                if target.hasPrefix("/usr/") || target.hasPrefix("/etc/ssl/") || target.hasPrefix("/etc/alternatives/") { missing.append("\(link) -> \(target)") }
            }
            #expect(missing == [])
        }
    }
}
