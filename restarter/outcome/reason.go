package outcome

import (
	"errors"

	"defib/engine"
)

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
	NotReplaced      Reason = "not_replaced"
	ServiceUpdating  Reason = "service_updating"
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
	StoppedDelay:     "it was stopped, or Defib did not see how it exited: a deploy may be in progress",
	Stopped:          "it was stopped on purpose, and stays down until somebody starts it",
	Finished:         "it exited with code 0, as it was meant to",
	Old:              "only a glob or a label of the whitelist matches it, and it exited more than a day before Defib first saw it",
	TriggerDisabled:  "the trigger is off (--restart.triggers, or its label defib.triggers)",
	BackOff:          "the last attempt did not help: it waits before the next one",
	InServiceRestart: "another replica of its service is being restarted, or has not recovered yet",
	RateLimited:      "too many actions are under way, or were taken within the last minute",
	GaveUp:           "restarts did not help: it is not restarted again until it has stayed up and healthy for a while, or somebody starts it",
	TooYoung:         "it has only just started",
	OnHold:           "it is on hold for maintenance (see defib hold and defib release)",
	DryRun:           "it would be started, restarted, re-created or removed without --dry-run",
	Paused:           "it is paused",
	Removing:         "it is being removed",
	Dead:             "the engine failed to remove it: remove it again",
	Created:          "it was never started",
	NotStarted:       "it was created more than 10 minutes ago and never started, although others of its compose project were started since: a deploy left it behind",
	SwarmTask:        "it is a Swarm task, and Swarm replaces it",
	NotReplaced:      "Swarm would not replace the task: its service must have the restart condition any and no max_attempts, and be no job",
	ServiceUpdating:  "the Swarm service of the task is being updated or rolled back, or Swarm ends the task itself",
	AutoRemove:       "the engine removes it when it exits (docker run --rm)",
	OneOff:           "it is a one-off command (docker compose run)",
	Superseded:       "another container of the same compose service and number is running, is being started, or was started later; or it was re-created, and the old container is kept for a while",
	Self:             "it is Defib's own container",
	EngineRestarting: "the engine's own restart policy is restarting it",
	ParentDown:       "the container whose network, processes or IPC it shares is down, or was just started and is not healthy yet",
	ParentGone:       "the container whose network, processes or IPC it shares no longer exists: re-create it",
	InProgress:       "it is being started or restarted",
	NotInspected:     "the engine does not answer when it is inspected",
	Refused:          "the engine, or a proxy in front of it, refuses to start or restart containers",
	BadLabel:         "its label defib.enable, defib.policy, defib.triggers or defib.swarm is invalid: fix it, and re-create the container",
}

// Declined is the reason why an action was not even begun by the engine, or by Swarm; "": it
// was, or failed in another way.
func Declined(err error) Reason {
	switch {
	case errors.Is(err, engine.ErrRefused):
		return Refused
	case errors.Is(err, engine.ErrNotReplaced):
		return NotReplaced
	case errors.Is(err, engine.ErrServiceUpdating):
		return ServiceUpdating
	case errors.Is(err, engine.ErrServiceShort):
		return InServiceRestart
	}
	return ""
}
