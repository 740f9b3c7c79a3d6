package decision

// Reason says why a whitelisted container that is down or unhealthy, or that an alert asks
// for, is left alone now; BadLabel is that of one in any state. The list is closed: reasons
// are values of a metric's label.
type Reason string

// The reasons.
const (
	StoppedDelay     Reason = "stopped_delay"
	Stopped          Reason = "stopped"
	Finished         Reason = "finished"
	Old              Reason = "old"
	TriggerDisabled  Reason = "trigger_disabled"
	BackOff          Reason = "back_off"
	InServiceRestart Reason = "in_service_restart"
	RateLimited      Reason = "rate_limited"
	GaveUp           Reason = "gave_up"
	TooYoung         Reason = "too_young"
	OnHold           Reason = "on_hold"
	DryRun           Reason = "dry_run"
	Paused           Reason = "paused"
	Removing         Reason = "removing"
	Dead             Reason = "dead"
	Created          Reason = "created"
	NotStarted       Reason = "not_started"
	SwarmTask        Reason = "swarm_task"
	AutoRemove       Reason = "auto_remove"
	OneOff           Reason = "one_off"
	Superseded       Reason = "superseded"
	Self             Reason = "self"
	EngineRestarting Reason = "engine_restarting"
	ParentDown       Reason = "parent_down"
	ParentGone       Reason = "parent_gone"
	InProgress       Reason = "in_progress"
	NotInspected     Reason = "not_inspected"
	Refused          Reason = "refused"
	BadLabel         Reason = "bad_label"
)

// Reasons holds every reason with a sentence for people.
var Reasons = map[Reason]string{
	StoppedDelay:     "it was stopped, or nobody saw how it ended: somebody may be in the middle of a deploy",
	Stopped:          "it was stopped on purpose and stays down until somebody starts it",
	Finished:         "it ended with exit code 0, as it was meant to",
	Old:              "only a glob matches it, and it exited more than a day before Defib saw it first",
	TriggerDisabled:  "what asks for it is not among its triggers (--restart.triggers, or its label defib.triggers)",
	BackOff:          "it needed help again after an attempt: the next one waits",
	InServiceRestart: "another replica of its service is being restarted, or has not come up well since",
	RateLimited:      "as many actions as allowed are under way, or were taken within a minute",
	GaveUp:           "restarts did not help: none more until it has stayed up and well, or somebody starts it",
	TooYoung:         "it has only just come up",
	OnHold:           "it is on hold for maintenance: see defib hold and defib release",
	DryRun:           "it would be started or restarted, but for --dry-run",
	Paused:           "it is paused",
	Removing:         "it is being removed",
	Dead:             "the engine failed to remove it: only removing it again helps",
	Created:          "it was never started",
	NotStarted:       "it was created more than 10 minutes ago and never started, though others of its compose project were started since: a deploy left it behind",
	SwarmTask:        "Swarm takes care of it",
	AutoRemove:       "the engine removes it after its exit (docker run --rm)",
	OneOff:           "it is a one-off command (docker compose run)",
	Superseded:       "another container of the same compose service and number runs, is being started, or was started later",
	Self:             "it is Defib's own container",
	EngineRestarting: "the engine's own restart policy is bringing it back",
	ParentDown:       "the container whose network, processes or IPC it shares is down, or has just been started and is not healthy yet",
	ParentGone:       "the container whose network, processes or IPC it shares does not exist any more: create it anew",
	InProgress:       "it is being started or restarted",
	NotInspected:     "the engine does not answer an inspect of it",
	Refused:          "the engine, or a proxy before it, refuses to start or restart containers",
	BadLabel:         "its label defib.enable, defib.policy or defib.triggers is not understood: correct it, and create the container anew",
}
