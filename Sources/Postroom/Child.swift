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
