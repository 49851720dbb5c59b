import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.Duration;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.stub.StreamObserver;
import java.util.Iterator;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import realtime.v1.AdmissionServiceGrpc;
import realtime.v1.AdmissionServiceOuterClass.AdmitAccept;
import realtime.v1.AdmissionServiceOuterClass.AdmitAnswer;
import realtime.v1.AdmissionServiceOuterClass.AdmitAttach;
import realtime.v1.AdmissionServiceOuterClass.AdmitQuestion;
import realtime.v1.AdmissionServiceOuterClass.AdmitRefuse;
import realtime.v1.AdmissionServiceOuterClass.AdmitRequest;
import realtime.v1.AdmissionServiceOuterClass.AdmitResponse;
import realtime.v1.EmitServiceGrpc;
import realtime.v1.EmitServiceOuterClass.EmitRequest;
import realtime.v1.EmitServiceOuterClass.EmitWithAckRequest;
import realtime.v1.EmitServiceOuterClass.EmitWithAckResponse;
import realtime.v1.EventOuterClass.Event;
import realtime.v1.EventServiceGrpc;
import realtime.v1.EventServiceOuterClass.ConsumeDelivery;
import realtime.v1.EventServiceOuterClass.ConsumeOpen;
import realtime.v1.EventServiceOuterClass.ConsumeReply;
import realtime.v1.EventServiceOuterClass.ConsumeRequest;
import realtime.v1.EventServiceOuterClass.ConsumeResponse;
import realtime.v1.EventServiceOuterClass.ConsumeSettle;
import realtime.v1.EventServiceOuterClass.EventKind;
import realtime.v1.TargetOuterClass.Target;

/** A chat backend: admits clients, consumes their events in a group, emits to a room, and asks clients. */
public final class Backend {
  private static final Gson GSON = new Gson();
  private static final Target ROOM = Target.newBuilder().addRooms("chat").build();

  private final ManagedChannel channel;
  private final CountDownLatch started = new CountDownLatch(2);
  private final CountDownLatch ended = new CountDownLatch(1);

  private Backend(ManagedChannel channel) {
    this.channel = channel;
  }

  public static void main(String[] args) throws InterruptedException {
    String address = System.getenv().getOrDefault("REALTIME_GRPC", "127.0.0.1:9090");
    Backend backend = new Backend(ManagedChannelBuilder.forTarget(address).usePlaintext().build());
    backend.admit();
    backend.consume(System.getenv().getOrDefault("GROUP", "chat-java"));
    backend.started.await();
    System.out.println("ready");
    backend.ended.await();
    System.exit(1);
  }

  /** Answers who may connect. */
  private void admit() {
    new Stream<AdmitRequest, AdmitResponse>() {
      @Override
      public void onNext(AdmitResponse response) {
        if (response.hasAttached()) {
          started.countDown();
        }
        if (response.hasQuestion()) {
          send(AdmitRequest.newBuilder().setAnswer(verdict(response.getQuestion())).build());
        }
      }

      void open() {
        requests = AdmissionServiceGrpc.newStub(channel).admit(this);
        send(AdmitRequest.newBuilder().setAttach(AdmitAttach.newBuilder().addNamespaces("/")).build());
      }
    }.open();
  }

  private static AdmitAnswer verdict(AdmitQuestion question) {
    AdmitAnswer.Builder answer = AdmitAnswer.newBuilder().setQuestionId(question.getId());
    JsonObject auth = GSON.fromJson(question.getSocket().getAuth(), JsonObject.class);
    JsonElement token = auth == null ? null : auth.get("token");
    if (token == null || !token.getAsString().startsWith("letmein-")) {
      return answer.setRefuse(AdmitRefuse.newBuilder().setMessage("who are you?")).build();
    }
    String user = token.getAsString().substring("letmein-".length());
    return answer.setAccept(AdmitAccept.newBuilder().setUser(user).addRooms("chat")).build();
  }

  /** Is a member of the group, and handles what is delivered, in order. */
  private void consume(String group) {
    new Stream<ConsumeRequest, ConsumeResponse>() {
      @Override
      public void onNext(ConsumeResponse response) {
        if (response.hasOpened()) {
          started.countDown();
        }
        for (ConsumeDelivery delivery : response.getBatch().getDeliveriesList()) {
          JsonArray answer = handle(delivery.getEvent());
          ConsumeSettle.Builder settle = ConsumeSettle.newBuilder().addAcks(delivery.getId());
          String token = delivery.getEvent().getReceived().getAckToken();
          if (!token.isEmpty()) {
            settle.addReplies(ConsumeReply.newBuilder().setAckToken(token).setArguments(GSON.toJson(answer)));
          }
          send(ConsumeRequest.newBuilder().setSettle(settle).build());
        }
      }

      void open() {
        requests = EventServiceGrpc.newStub(channel).consume(this);
        send(ConsumeRequest.newBuilder().setOpen(ConsumeOpen.newBuilder().setGroup(group)
            .addKinds(EventKind.EVENT_KIND_RECEIVED).addEventNames("message").addEventNames("poll")).build());
      }
    }.open();
  }

  /** Returns what the client's acknowledgement is answered with. */
  private JsonArray handle(Event event) {
    EmitServiceGrpc.EmitServiceBlockingStub emitter = EmitServiceGrpc.newBlockingStub(channel);
    JsonArray arguments = GSON.fromJson(event.getReceived().getArguments(), JsonArray.class);
    JsonArray answer = new JsonArray();
    if (event.getReceived().getName().equals("message")) {
      JsonArray message = new JsonArray();
      message.add(event.getUser());
      message.add(arguments.get(0));
      emitter.emit(EmitRequest.newBuilder().setTarget(ROOM).setEvent("message").setArguments(GSON.toJson(message)).build());
      answer.add("sent");
      return answer;
    }
    Iterator<EmitWithAckResponse> results = emitter.emitWithAck(EmitWithAckRequest.newBuilder().setTarget(ROOM).setEvent("question")
        .setArguments(event.getReceived().getArguments()).setTimeout(Duration.newBuilder().setSeconds(5)).build());
    TreeSet<String> said = new TreeSet<>();
    results.forEachRemaining(result -> {
      if (result.hasAnswer()) {
        said.add(GSON.fromJson(result.getAnswer().getArguments(), JsonArray.class).get(0).getAsString());
      }
    });
    answer.add(GSON.toJsonTree(said));
    return answer;
  }

  /** One stream both ways. Its end is the program's. */
  private abstract class Stream<Q, R> implements StreamObserver<R> {
    StreamObserver<Q> requests;

    synchronized void send(Q request) {
      requests.onNext(request);
    }

    @Override
    public void onError(Throwable error) {
      System.err.println(error);
      ended.countDown();
    }

    @Override
    public void onCompleted() {
      ended.countDown();
    }
  }
}
