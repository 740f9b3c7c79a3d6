package restarter

// Reason says why a whitelisted container that is down is left alone now. The
// list is closed: reasons are values of a metric's label.
type Reason string

// The reasons.
const (
	StoppedDelay     Reason = "stopped_delay"
	Stopped          Reason = "stopped"
	Finished         Reason = "finished"
	Old              Reason = "old"
	BackOff          Reason = "back_off"
	RateLimited      Reason = "rate_limited"
	DryRun           Reason = "dry_run"
	Paused           Reason = "paused"
	Removing         Reason = "removing"
	Dead             Reason = "dead"
	Created          Reason = "created"
	SwarmTask        Reason = "swarm_task"
	AutoRemove       Reason = "auto_remove"
	OneOff           Reason = "one_off"
	EngineRestarting Reason = "engine_restarting"
	ParentDown       Reason = "parent_down"
	ParentGone       Reason = "parent_gone"
	InProgress       Reason = "in_progress"
	NotInspected     Reason = "not_inspected"
	Refused          Reason = "refused"
)

// Reasons holds every reason with a sentence for people.
var Reasons = map[Reason]string{
	StoppedDelay:     "it was stopped, or nobody saw how it ended: somebody may be in the middle of a deploy",
	Stopped:          "it was stopped on purpose and stays down until somebody starts it",
	Finished:         "it ended with exit code 0, as it was meant to",
	Old:              "only a glob matches it, and it exited more than a day before Defib saw it first",
	BackOff:          "it died again after an attempt: the next one waits",
	RateLimited:      "as many starts as allowed are under way",
	DryRun:           "it would be started, but for --dry-run",
	Paused:           "it is paused",
	Removing:         "it is being removed",
	Dead:             "the engine failed to remove it: only removing it again helps",
	Created:          "it was never started",
	SwarmTask:        "Swarm takes care of it",
	AutoRemove:       "the engine removes it after its exit (docker run --rm)",
	OneOff:           "it is a one-off command (docker compose run)",
	EngineRestarting: "the engine's own restart policy is bringing it back",
	ParentDown:       "the container whose network it shares is down",
	ParentGone:       "the container whose network it shares does not exist any more: create it anew",
	InProgress:       "it is being started",
	NotInspected:     "the engine does not answer an inspect of it",
	Refused:          "the engine, or a proxy before it, refuses to start containers",
}

// Trigger says what asked for an action: a value of a metric's label.
type Trigger string

// TriggerExited is the death of a container, or its first start failing.
const TriggerExited Trigger = "exited"

// Triggers lists every trigger.
var Triggers = []Trigger{TriggerExited}
