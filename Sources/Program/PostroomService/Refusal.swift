internal import Linux
internal import SystemPackage

/// An error that ends the command: one line or more for standard error, and the exit status.
package struct Refusal: Error, CustomStringConvertible {
    package let lines: [String]
    package let status: Int32

    /// The exit status after a failure that is not described further.
    package static let failure: Int32 = 1
    /// The exit status for wrong settings (sysexits.h, EX_CONFIG): starting again does not help.
    package static let wrongSettings: Int32 = 78

    package var description: String { lines.joined(separator: "\n") }

    package init(_ description: String, status: Int32 = Self.failure) {
        lines = [description]
        self.status = status
    }

    init(_ errors: SettingErrors) {
        lines = errors.faults.map(\.description)
        status = Self.wrongSettings
    }
}

extension Settings {
    /// The settings in force.
    /// - Throws: a refusal with one line for each fault of the settings.
    package static func inForce() throws(Refusal) -> Settings {
        do throws(SettingErrors) {
            return try Settings(environment: Machine.environment())
        } catch {
            throw Refusal(error)
        }
    }

    package func makeDataDirectory() throws(Refusal) {
        do throws(Errno) {
            try Files.makeDirectory(dataDirectory, permissions: [.ownerReadWriteExecute, .groupReadExecute])
        } catch {
            throw Refusal("DATA_DIR: cannot create \(dataDirectory): \(error)")
        }
    }
}

/// Writes a line to standard error.
package func complain(_ text: String) {
    _ = try? FileDescriptor.standardError.writeAll(Array("\(text)\n".utf8))
}
