internal import ArgumentParser
internal import Linux
internal import SystemPackage

/// Becomes another program that the system stops when this one's parent dies; nginx cannot ask for that itself.
struct Child: ParsableCommand {
    static let configuration = CommandConfiguration(shouldDisplay: false)

    @Option var parent: Int32
    @Argument(parsing: .captureForPassthrough) var command: [String]

    func run() throws {
        Signal.send(Signal.terminate, whenParentDies: parent)
        guard let program = command.first else { throw Refusal("no program was given") }
        let error = become(FilePath(program), Array(command.dropFirst()))
        throw Refusal("cannot start \(program): \(error)")
    }
}

/// Tells the supervisor that this process serves, if it asked; else the service manager, if there is one.
func tellReady(_ descriptor: Int32?) {
    guard let descriptor else { return ServiceManager.tellReady() }
    let pipe = FileDescriptor(rawValue: descriptor)
    _ = try? pipe.writeAll([1])
    try? pipe.close()
}
