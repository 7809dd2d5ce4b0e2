internal import SystemPackage

/// The time zones that the C library knows.
package enum ZoneDatabase {
    /// Whether a value of TZ names one of these zones (tzset(3)).
    package static func has(_ name: String) -> Bool {
        let path = name.hasPrefix(":") ? String(name.dropFirst()) : name
        guard !path.isEmpty, !path.utf8.contains(0), !path.split(separator: "/").contains("..") else { return false }
        let machine = "/etc/localtime"
        guard path == machine || !path.hasPrefix("/") else { return false }
        let file = path == machine ? FilePath(machine) : FilePath("/usr/share/zoneinfo").appending(path)
        // A zone file begins with these bytes (RFC 8536, section 3.1).
        return Files.contents(of: file)?.starts(with: "TZif".utf8) ?? false
    }
}
