import SandboxLauncher

LauncherProgram.run(arguments: Array(CommandLine.arguments.dropFirst()))
