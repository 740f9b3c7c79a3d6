// Package harness is what the tests of the built program stand on. A test reads:
//
//	s := harness.NewEnv(t, harness.SharedEngine(t))                  // a corner of an engine
//	b := s.Run("web", harness.Spec{Args: []string{"-code=3"}})       // a container that does as it is told
//	d := s.Defib(harness.Whitelist(b), "--restart.stopped-delay=1s") // the program, beside the engine
//	b.Crash()
//	b.AwaitEvents("start", 2)
//	d.AwaitLine(1, "container started", "container", b.Name, "exit_code", 3)
//
// Engines. [SharedEngine] is for tests that leave theirs running, [PrivateEngine] for
// those that stop or freeze it; both start a dockerd or Podman of their own, as root,
// or else use the Docker Engine that runs; [EngineOfKind] starts one that is set up in
// another way, such as rootless. DEFIB_E2E_ENGINE=podman chooses Podman, and
// DEFIB_E2E_SUITE says that those on the PATH are of another suite of Debian, as for make
// test-engines: [DockerOnly], [PodmanOnly], [ServersOnly] and [EngineIndependent] say at the
// top of a test why it does not run everywhere. What a machine lacks skips a test, and
// fails it where CI is set ([Unavailable]).
//
// What happened is known from three sources, each checked by the others: the
// engine's own events ([Recorder], behind [Container.AwaitEvents] and
// [Container.Times]), Defib's log ([Journal]) and its metrics ([Defib.Scrape]).
// [Defib.AwaitValue] and [Defib.AwaitHeld] are for states that last: one that passes
// is awaited in the events or in the log ([Defib.AwaitReason]), which lose nothing.
//
// Between Defib and the engine may stand a [Proxy], which cuts and times; a
// [FaultProxy], which understands the calls, spoils them and records those that change
// something; a [DenyProxy], which refuses; or a [Gate], which holds one call while
// something else happens. [Replay] is an engine that only talks,
// for more containers than a machine can run. [Contained] is Defib in a container.
// [Server] is Prometheus or Alertmanager, and [Relay] records what passes from the
// latter to the webhook.
//
// Every wait polls and is bounded by [Limit] ([Eventually]); time that passes without
// anything happening is bought by [Watch], which says why it is long enough.
package harness
