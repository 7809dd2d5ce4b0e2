package import Linux
package import SystemPackage

/// Commands of `postroom store` in processes of their own: reading a damaged store may crash a process.
package enum StoreProcess {
    /// Runs a command until it ends.
    /// - Parameter arguments: the command and its arguments.
    package static func run(_ arguments: [String], _ settings: Settings) throws -> ChildProcess.Ending {
        try start(arguments, settings).waitForEnding()
    }

    /// - Parameter output: the command's descriptor 3.
    package static func start(
        _ arguments: [String], _ settings: Settings, output: FileDescriptor? = nil
    ) throws -> ChildProcess {
        guard let program = Files.thisProgram() else { throw Refusal("cannot find this program's own file") }
        return try ChildProcess(
            program, ["store"] + arguments + ["--parent", "\(Machine.processID)"],
            environment: settings.childEnvironment, output: output)
    }
}
