import ArgumentParser
@main struct Svcctl: ParsableCommand {}
