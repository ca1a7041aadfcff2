//! A real one-node Kubernetes on this machine: stock kube-apiserver, kube-controller-manager,
//! kube-scheduler, kubelet and kube-proxy, etcd, containerd and CoreDNS, in a network namespace
//! without any route out, and without a Docker engine.
//!
//! The demo and the end-to-end tests hold a [`Cluster`]; the `testbed` program is a thin shell
//! around the same functions.
//!
//! | module | owns |
//! | --- | --- |
//! | `app`, `cli` | the program: arguments, exit codes |
//! | `layout` | every path, address and name |
//! | `setup`, `kubernetes`, `binaries` | what must be installed and built first |
//! | `pki`, `kubeconfig`, `config`, `component` | certificates, configuration, command lines |
//! | `network`, `cgroup`, `process` | the kernel's objects: namespace, cgroups, processes |
//! | `machine` | settings of the machine that must be as before |
//! | `up`, `down` | the order in which the parts start and end |
//! | `cluster` | the handle on a running cluster |
//! | `archive`, `images` | container images without a container engine |
//! | `stack` | the show case's charts on a cluster |
//! | `demo` | the load in steps, watched |
//! | `exoscale` | the other demo: an instance pool that alerts scale, without a cluster |
//! | `aws` | the third: a group that target tracking scales, without a cluster |
//! | `bench` | load on a real adapter, and what it costs |
//! | `child` | the processes of those three |
//! | `report` | what a demo measured: page, picture, tables |
//! | `e2e` | the end-to-end tests |
//! | `command`, `progress`, `error` | running programs, showing steps, saying what is wrong |

pub mod app;
pub mod archive;
pub mod aws;
pub mod bench;
pub mod binaries;
mod cgroup;
mod child;
mod cli;
mod cluster;
mod command;
mod component;
mod config;
pub mod demo;
pub mod down;
pub mod e2e;
mod error;
pub mod exoscale;
pub mod images;
mod kubeconfig;
pub mod kubernetes;
pub mod layout;
mod machine;
mod network;
mod pki;
mod process;
pub mod progress;
pub mod report;
pub mod setup;
pub mod stack;
pub mod up;

pub use cluster::{Cluster, Component, wait_until};
pub use command::Output;
pub use component::Options;
pub use error::{Error, Result};
