import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public class PenguinApiExample {
    public static void main(String[] args) {
        try {
            HttpClient client = HttpClient.newHttpClient();

            String requestBody = "{\"text\": \"Explain SOLID principles\"}";

            HttpRequest request = HttpRequest.newBuilder()
                .uri(URI.create("http://127.0.0.1:9000/api/v1/chat/message"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(requestBody))
                .build();

            HttpResponse<String> response = client.send(request,
                HttpResponse.BodyHandlers.ofString());

            System.out.println(response.body());
        } catch (Exception e) {
            e.printStackTrace();
        }
    }
}
