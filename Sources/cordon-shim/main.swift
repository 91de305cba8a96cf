import SandboxFiles
import SandboxShim

// One program in three places: beside sandboxes what their supervisors are forks of, inside, sealed, what works on its files,
// and with programs that serve buckets what they get their device from.
if CommandLine.arguments.first == "cordon-files" { FileAgent.run() }
if DeviceHandover.isAsked { DeviceHandover.run() }
ShimZygote.run(argumentCount: CommandLine.argc, arguments: CommandLine.unsafeArgv)
