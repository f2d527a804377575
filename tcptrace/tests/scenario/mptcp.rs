//! MPTCP: what its sockets do is seen on their subflows, which have no file.

use super::kit::expect::kernel_names;
use super::kit::{Actor, Conn, Expect, Scenario, World, scenarios};

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![unread_data_of_an_mptcp_socket_resets_its_subflow]
}

/// Client, its end, server, the end that it accepted.
type Ends = (Actor, Conn, Actor, Conn);

fn connected(world: &World) -> Option<Ends> {
    let [server, client] = ["mp-server", "mp-client"].map(|comm| world.actor(comm));
    if !kernel_names("SK_RST_REASON_TCP_ABORT_ON_CLOSE") {
        world.cannot("without reset reasons an MPTCP socket's abort looks like SOCK_DESTROY");
        return None;
    }
    let socket = |actor: &Actor, local: &str| {
        let fd = actor.try_order("socket mptcp").ok()?.parse().ok()?;
        actor.order(&format!("bind {fd} {local}"));
        Some(fd)
    };
    let Some(listening) = socket(&server, "127.0.7.9:0") else {
        world.cannot("this kernel has no MPTCP");
        return None;
    };
    server.order(&format!("listen {listening} 5"));
    let listener = server.describe(listening);
    let connecting = socket(&client, "127.0.0.2:0")?;
    client.order(&format!("connect {connecting} {}", listener.local));
    let conn = client.describe(connecting);
    // The server learns from the first data that the peer speaks MPTCP.
    client.write(conn, 100);
    let accepted = server.accept(listener);
    server.order(&format!("read {} 100", accepted.fd));
    Some((client, conn, server, accepted))
}

/// The cookie is the subflow's, which its process cannot ask for.
fn reset(owner: &Actor, conn: Conn) -> Expect {
    Expect::new("rst_sent")
        .reason("TCP_ABORT_ON_CLOSE")
        .owner(owner)
        .local(conn.local)
        .remote(conn.remote.expect("connected"))
        .state("ESTABLISHED")
}

fn unread_data_of_an_mptcp_socket_resets_its_subflow(world: &World) {
    let tracer = world.watch(&[]);
    let Some((client, conn, server, accepted)) = connected(world) else {
        return;
    };
    client.write(conn, 1237);
    world.until("the bytes wait", || server.queues(accepted).2 >= 1237);
    server.close(accepted);
    let expected = reset(&server, accepted)
        .cause("unread_data")
        .is("linger.on", false)
        .absent("unread_bytes");
    tracer.expect("unread data is the cause", expected);
    let _ = tracer.stop();
}
