internal import CLinux
internal import SystemPackage

package enum Terminal {
    /// Reads a line from standard input, without the line break. On a terminal, the prompt is shown and the typed text
    /// is not (termios(3)).
    package static func readSecret(prompt: String) -> String? {
        let descriptor = FileDescriptor.standardInput.rawValue
        guard isatty(descriptor) == 1 else { return readLine() }
        var settings = termios()
        guard unsafe tcgetattr(descriptor, &settings) == 0 else { return readLine() }
        let before = settings
        settings.c_lflag &= ~tcflag_t(ECHO)
        _ = try? FileDescriptor.standardError.writeAll(prompt.utf8)
        unsafe tcsetattr(descriptor, TCSAFLUSH, &settings)
        defer {
            var restored = before
            unsafe tcsetattr(descriptor, TCSAFLUSH, &restored)
            _ = try? FileDescriptor.standardError.writeAll("\n".utf8)
        }
        return readLine()
    }
}
