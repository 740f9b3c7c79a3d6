package debian

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"defib/e2e/harness"
)

// TestLifeOfThePackage has a package come before Docker, heal, hold, be upgraded, removed and
// purged, and looks for what it leaves.
func TestLifeOfThePackage(t *testing.T) {
	harness.DockerOnly(t, "the package is the same for Podman")
	root := makeRoot(t)
	engine := harness.PrivateEngine(t)
	env := harness.NewEnv(t, engine)
	token := env.Run("token", harness.Spec{})
	newest, debs := version(t), t.TempDir()
	old, young := pack(t, older, debs), pack(t, newest, debs)
	s := boot(t, root, "--bind-ro="+debs+":/mnt", "--bind="+strings.TrimPrefix(engine.Host, "unix://")+":/run/engine.sock")
	bare := s.everything()

	// No service is started where policy-rc.d says so.
	s.do("apt-get install -qq -y /mnt/" + old)
	s.serviceIs("inactive")
	s.do("systemctl is-enabled defib")
	s.do("apt-get purge -qq -y defib")
	s.compare(bare)

	s.do("rm /usr/sbin/policy-rc.d")
	bare = s.everything()
	s.do("apt-get install -qq -y /mnt/" + old)
	s.serviceIs("active")
	s.await("defib healthcheck")
	s.checkSandbox()

	// Docker comes later.
	s.do("chgrp docker /run/engine.sock && ln -s engine.sock /run/docker.sock")
	s.awaitMetric("docker_up 1")
	s.do(fmt.Sprintf("sed -i 's/^#DEFIB_RESTART_WHITELIST=.*/DEFIB_RESTART_WHITELIST=%s/' /etc/default/defib && systemctl restart defib", token.Name))
	settings, _ := s.ask("cat /etc/default/defib")
	s.awaitMetric("docker_up 1")
	for n := range 3 {
		token.Crash()
		token.AwaitEvents("start", n+2)
	}
	s.await(`journalctl -u defib | grep "container started" | grep -w attempt=3`)
	s.do("journalctl -u defib -o cat | grep 'container started'")

	s.do("set -a; . /etc/default/defib; defib hold " + token.Name + " --for 2h")
	s.awaitMetric("defib_on_hold 1")
	token.Crash()
	held := fmt.Sprintf("defib_container_held{name=%q,reason=%q} 1", token.Name, "on_hold")
	s.awaitMetric(held)

	s.do("apt-get install -qq -y /mnt/" + young)
	s.serviceIs("active")
	s.await("/proc/$(systemctl show --value -p MainPID defib)/exe --version | grep -F 'defib, version " + newest + " '")
	if now, _ := s.ask("cat /etc/default/defib"); now != settings {
		t.Errorf("the settings were %s\nand are %s", settings, now)
	}
	s.awaitMetric(held)
	token.StartedTimes(4)
	s.do("set -a; . /etc/default/defib; defib release " + token.Name)
	token.AwaitEvents("start", 5)
	s.await(`journalctl -u defib | grep "container started" | grep -w attempt=4`) // the back-off goes on

	s.do("apt-get remove -qq -y defib")
	s.serviceIs("inactive")
	s.do("! grep -qsx defib /proc/[0-9]*/comm && ls -l /var/lib/defib/state.json /var/lib/defib/holds /etc/default/defib")
	s.do("apt-get install -qq -y /mnt/" + young)
	s.awaitMetric("docker_up 1")
	if now, _ := s.ask("cat /etc/default/defib"); now != settings {
		t.Errorf("the settings were %s\nand are %s", settings, now)
	}

	s.do("rm /run/docker.sock") // there is no Docker any more, to which the group belongs
	s.do("apt-get purge -qq -y defib")
	s.compare(bare)
}

// awaitMetric waits for a sample.
func (s *system) awaitMetric(sample string) {
	s.Helper()
	harness.Eventually(s, sample, func() bool { return strings.Contains("\n"+s.scrape(sample)+"\n", "\n"+sample+"\n") })
	s.Logf("/metrics: %s", sample)
}

// TestPackageComesAndGoesWithoutSystemd installs it where systemd does not run, as when an image
// is made, and purges it.
func TestPackageComesAndGoesWithoutSystemd(t *testing.T) {
	harness.DockerOnly(t, "the package is the same for Podman")
	root, debs := makeRoot(t), t.TempDir()
	deb := pack(t, version(t), debs)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Limit)
	defer cancel()
	t.Cleanup(func() { removeGroups(t) })
	script := "rm /usr/sbin/policy-rc.d; apt-get install -qq -y /mnt/" + deb + ` && ls /etc/systemd/system/multi-user.target.wants/defib.service && id defib &&
		apt-get purge -qq -y defib && ! grep -E 'defib|docker' /etc/passwd /etc/group && ! find / -xdev -not -path '/var/log/*' -not -path '/run/*' -name '*defib*' | grep .`
	out, err := container(ctx, root, "--bind-ro="+debs+":/mnt", "sh", "-euc", script).CombinedOutput()
	t.Logf("# %s\n%s", script, plain(out))
	if err != nil {
		t.Error(err)
	}
}
