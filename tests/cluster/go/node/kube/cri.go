package main

import (
	"context"
	"fmt"
	"os"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
	remote "k8s.io/cri-client/pkg"
)

// The two questions that tests/cluster asks a container runtime, which has no command line tool among Go modules.

const criTimeout = time.Minute

// removePods ends every pod of a container runtime through its CRI socket, so that the runtime itself undoes what it made:
// processes, mounts, network namespaces, addresses and firewall rules.
func removePods(args []string) {
	if len(args) != 2 {
		fail("usage: kube remove-pods unix://SOCKET")
	}
	ctx := context.Background()
	cri, err := remote.NewRemoteRuntimeService(args[1], criTimeout, nil, nil)
	if err != nil {
		fail("no container runtime at %s: %v", args[1], err)
	}
	sandboxes, err := cri.ListPodSandbox(ctx, nil)
	if err != nil {
		fail("cannot list pods: %v", err)
	}
	for _, sandbox := range sandboxes {
		name := sandbox.Metadata.Namespace + "/" + sandbox.Metadata.Name
		if err := cri.StopPodSandbox(ctx, sandbox.Id); err != nil {
			fail("cannot stop pod %s: %v", name, err)
		}
		if err := cri.RemovePodSandbox(ctx, sandbox.Id); err != nil {
			fail("cannot remove pod %s: %v", name, err)
		}
	}
}

// imageID prints the id of an image, which is the digest of its configuration as Docker gives it too; nothing if there is
// no such image.
func imageID(args []string) {
	if len(args) != 3 {
		fail("usage: kube image-id unix://SOCKET IMAGE")
	}
	cri, err := remote.NewRemoteImageService(args[1], criTimeout, nil, nil)
	if err != nil {
		fail("no container runtime at %s: %v", args[1], err)
	}
	status, err := cri.ImageStatus(context.Background(), &runtime.ImageSpec{Image: args[2]}, false)
	if err != nil {
		fail("cannot look up image %s: %v", args[2], err)
	}
	if status.Image != nil {
		fmt.Println(status.Image.Id)
	}
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}
